//! `paddock plugin component`: makes a component of a core module. Nothing is linked in, so a module that imports more than the
//! contract offers fails here.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::plugin_new::{CONTRACT, NewWorld};

/// The module, and where the component goes.
#[derive(Debug, Args)]
pub struct ComponentizeArgs {
    /// The core module, a `.wasm` file.
    module: PathBuf,
    /// File of the component.
    #[arg(long, short)]
    out: PathBuf,
    /// World of a module that does not say it itself; modules built with the Rust SDK do.
    #[arg(long)]
    world: Option<NewWorld>,
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read or written, or the module does not fit the world.
pub fn run(args: &ComponentizeArgs) -> Result<()> {
    let mut module = fs::read(&args.module).with_context(|| format!("cannot read {}", args.module.display()))?;
    if let Some(world) = args.world {
        embed(&mut module, world)?;
    }
    let component = ComponentEncoder::default()
        .module(&module)
        .context("the module does not say which world it is of: build it with the SDK, or give --world")?
        .validate(true)
        .encode()
        .with_context(|| format!("{} does not fit the contract", args.module.display()))?;
    fs::write(&args.out, component).with_context(|| format!("cannot write {}", args.out.display()))
}

/// Writes into the module which world it is of.
fn embed(module: &mut Vec<u8>, world: NewWorld) -> Result<()> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("paddock-plugin.wit", CONTRACT)?;
    let world = resolve.select_world(&[package], Some(world.as_str()))?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)?;
    Ok(())
}
