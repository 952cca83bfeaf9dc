//! Turns core wasm modules that carry wit-bindgen's type section into components. It links nothing in: a module that imports
//! more than the plugin contract allows fails here, at build time.

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module_path, component_path] = arguments.as_slice() else {
        bail!("usage: componentize <module.wasm> <component.wasm>");
    };
    let module = std::fs::read(module_path).with_context(|| format!("read {module_path}"))?;
    let component = wit_component::ComponentEncoder::default()
        .module(&module)
        .context("the module has no valid component type section; does the crate call an export macro?")?
        .validate(true)
        .encode()
        .with_context(|| format!("encode {module_path} as a component"))?;
    std::fs::write(component_path, component).with_context(|| format!("write {component_path}"))
}
