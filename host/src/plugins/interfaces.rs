//! What a component imports and exports, by name; nothing of it is checked here.

use wasmparser::{Parser, Payload};

/// Names of a component's own imports and exports, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What it needs.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

/// The imports and exports of a component, as far as it can be read.
#[must_use]
pub fn interfaces_of(component: &[u8]) -> Interfaces {
    let mut found = Interfaces::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 1 => {
                found.imports.extend(imports.into_iter().flatten().map(|import| import.name.name.to_owned()));
            }
            Payload::ComponentExportSection(exports) if depth == 1 => {
                found.exports.extend(exports.into_iter().flatten().map(|export| export.name.name.to_owned()));
            }
            _ => {}
        }
    }
    found
}
