//! The only WebAssembly-facing part of the SDK: wit-bindgen's bindings and the conversion between them and the plain types.
//! Everything here exists on wasm32 only and is reached through the export macros, never by name.

mod calibrate;
mod constrain;
mod convert;
mod generate;

use std::marker::PhantomData;

pub use wit_bindgen;

use crate::log::Level;
use shared::paddock::plugin::log as host_log;

/// The types and imports that all worlds share, generated once so that one set of conversions serves them all.
pub mod shared {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package paddock:shared;
            world shared {
                import paddock:plugin/types@0.1.0;
                import paddock:plugin/log@0.1.0;
            }
        ",
        world: "paddock:shared/shared",
        generate_unused_types: true,
        disable_custom_section_link_helpers: true,
        generate_all,
    });
}

/// What every world exports. Generated apart from the worlds, because wit-bindgen names the export macro of an interface
/// after the interface alone and three worlds in one crate would clash; wit-component joins the halves into one world.
pub mod description {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package paddock:description-export;
            world description-export {
                import paddock:plugin/log@0.1.0;
                export paddock:plugin/plugin@0.1.0;
            }
        ",
        world: "paddock:description-export/description-export",
        pub_export_macro: true,
        runtime_path: "paddock_sdk::glue::wit_bindgen::rt",
        with: {
            "paddock:plugin/log@0.1.0": paddock_sdk::glue::shared::paddock::plugin::log,
        },
    });
}

/// The rest of the `calibrator` world.
pub mod calibrator {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package paddock:calibrator-export;
            world calibrator-export {
                import paddock:plugin/log@0.1.0;
                export paddock:plugin/calibration@0.1.0;
            }
        ",
        world: "paddock:calibrator-export/calibrator-export",
        pub_export_macro: true,
        runtime_path: "paddock_sdk::glue::wit_bindgen::rt",
        with: {
            "paddock:plugin/types@0.1.0": paddock_sdk::glue::shared::paddock::plugin::types,
            "paddock:plugin/log@0.1.0": paddock_sdk::glue::shared::paddock::plugin::log,
        },
    });
}

/// The rest of the `generator` world.
pub mod generator {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package paddock:generator-export;
            world generator-export {
                import paddock:plugin/log@0.1.0;
                export paddock:plugin/generation@0.1.0;
            }
        ",
        world: "paddock:generator-export/generator-export",
        pub_export_macro: true,
        runtime_path: "paddock_sdk::glue::wit_bindgen::rt",
        with: {
            "paddock:plugin/types@0.1.0": paddock_sdk::glue::shared::paddock::plugin::types,
            "paddock:plugin/log@0.1.0": paddock_sdk::glue::shared::paddock::plugin::log,
        },
    });
}

/// The rest of the `constraint` world.
pub mod constraint {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package paddock:constraint-export;
            world constraint-export {
                import paddock:plugin/log@0.1.0;
                export paddock:plugin/judgement@0.1.0;
            }
        ",
        world: "paddock:constraint-export/constraint-export",
        pub_export_macro: true,
        runtime_path: "paddock_sdk::glue::wit_bindgen::rt",
        with: {
            "paddock:plugin/types@0.1.0": paddock_sdk::glue::shared::paddock::plugin::types,
            "paddock:plugin/log@0.1.0": paddock_sdk::glue::shared::paddock::plugin::log,
        },
    });
}

/// The type that the export macros hand to wit-bindgen in place of the plugin itself.
pub struct Exported<P>(PhantomData<P>);

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => host_log::Level::Debug,
        Level::Info => host_log::Level::Info,
        Level::Warn => host_log::Level::Warn,
        Level::Error => host_log::Level::Error,
    };
    host_log::log(level, message);
}
