//! What a component asks of the host, read from its imports. Whether it is let in is decided in `screen`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wasmparser::{Parser, Payload};

/// What a component's imports make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nothing but paddock's own log.
    Plain,
    /// A virtual WASI: a fixed clock, seeded randomness, no files and no network.
    Wasi,
}

/// What a component asks of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    /// What its imports make it.
    pub tier: Tier,
    /// Interfaces that it imports, sorted.
    #[schema(examples(json!(["paddock:plugin/log@0.1.0"])))]
    pub imports: Vec<String>,
}

/// Reads the imports of a component that has been screened.
#[must_use]
pub fn capabilities(wasm: &[u8]) -> Capabilities {
    let mut imports = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                imports.extend(section.into_iter().map_while(Result::ok).map(|import| import.name.name.to_owned()));
            }
            _ => {}
        }
    }
    imports.sort();
    imports.dedup();
    let tier = if imports.iter().any(|name| name.starts_with("wasi:")) { Tier::Wasi } else { Tier::Plain };
    Capabilities { tier, imports }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_of_the_component_itself_are_told_and_make_its_tier() {
        let read = |text: &str| capabilities(&wat::parse_str(text).unwrap());
        let plain = read(
            r#"(component (import "paddock:plugin/types@0.1.0" (instance))
            (import "paddock:plugin/log@0.1.0" (instance)) (core module (import "a" "b" (func))))"#,
        );
        assert_eq!(plain.tier, Tier::Plain);
        assert_eq!(plain.imports, ["paddock:plugin/log@0.1.0", "paddock:plugin/types@0.1.0"]);
        let wasi = read(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#);
        assert_eq!((wasi.tier, wasi.imports.len()), (Tier::Wasi, 1));
        assert_eq!(read("(component)").imports, Vec::<String>::new());
    }
}
