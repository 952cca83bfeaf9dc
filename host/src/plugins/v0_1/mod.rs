//! Version 0.1.0 of the plugin contract: the generated bindings and where a component's exports are. A later contract version
//! gets a room of its own beside this one; what leaves this room are domain types.

pub mod convert;

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use crate::{
    domain::plugin::World,
    plugins::{describe::RawDescription, store::GuestState},
};

use bindings::exports::paddock::plugin::{calibration, generation, judgement, plugin};

/// What `bindgen!` makes of `wit/`. One world that exports all the interfaces gives one set of Rust types; a component exports
/// only those of its own world, and only those are looked up.
pub mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package paddock:host;
            world plugins {
                export paddock:plugin/plugin@0.1.0;
                export paddock:plugin/calibration@0.1.0;
                export paddock:plugin/generation@0.1.0;
                export paddock:plugin/judgement@0.1.0;
            }
        ",
        world: "paddock:host/plugins",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

/// Where the exports of a component are, by world.
pub struct Exports {
    plugin: plugin::GuestIndices,
    world: WorldExports,
}

enum WorldExports {
    Calibrator(calibration::GuestIndices),
    Generator(generation::GuestIndices),
    Constraint(judgement::GuestIndices),
}

impl Exports {
    /// Finds the exports of `world`.
    ///
    /// # Errors
    /// Where one is missing; types are only checked by the loads below.
    pub fn find(pre: &InstancePre<GuestState>, world: World) -> wasmtime::Result<Self> {
        Ok(Self {
            plugin: plugin::GuestIndices::new(pre)?,
            world: match world {
                World::Calibrator => WorldExports::Calibrator(calibration::GuestIndices::new(pre)?),
                World::Generator => WorldExports::Generator(generation::GuestIndices::new(pre)?),
                World::Constraint => WorldExports::Constraint(judgement::GuestIndices::new(pre)?),
            },
        })
    }

    /// Checks the types of all exports, and returns `describe`.
    ///
    /// # Errors
    /// The first function of another type.
    pub fn load_plugin(&self, store: &mut Store<GuestState>, instance: &Instance) -> wasmtime::Result<plugin::Guest> {
        match &self.world {
            WorldExports::Calibrator(indices) => indices.load(&mut *store, instance).map(|_| ())?,
            WorldExports::Generator(indices) => indices.load(&mut *store, instance).map(|_| ())?,
            WorldExports::Constraint(indices) => indices.load(&mut *store, instance).map(|_| ())?,
        }
        self.plugin.load(store, instance)
    }

    /// The functions of a calibrator, or `None` where the plugin is none.
    pub fn load_calibration(
        &self,
        store: &mut Store<GuestState>,
        instance: &Instance,
    ) -> Option<wasmtime::Result<calibration::Guest>> {
        let WorldExports::Calibrator(indices) = &self.world else { return None };
        Some(indices.load(store, instance))
    }

    /// The functions of a generator, or `None` where the plugin is none.
    pub fn load_generation(
        &self,
        store: &mut Store<GuestState>,
        instance: &Instance,
    ) -> Option<wasmtime::Result<generation::Guest>> {
        let WorldExports::Generator(indices) = &self.world else { return None };
        Some(indices.load(store, instance))
    }

    /// The functions of a constraint, or `None` where the plugin is none.
    pub fn load_judgement(
        &self,
        store: &mut Store<GuestState>,
        instance: &Instance,
    ) -> Option<wasmtime::Result<judgement::Guest>> {
        let WorldExports::Constraint(indices) = &self.world else { return None };
        Some(indices.load(store, instance))
    }
}

/// Asks a plugin who it is.
///
/// # Errors
/// What the engine says.
pub fn describe(
    guest: &plugin::Guest,
    store: &mut Store<GuestState>,
    world: World,
) -> wasmtime::Result<RawDescription> {
    Ok(convert::raw_description(guest.call_describe(store)?, world))
}
