//! Looks at uploaded bytes before anything compiles them: is it a component, does it validate, is its code of a sane shape, what
//! does it import, which world does it export. Nothing is executed here.

use wasmparser::{
    Encoding, FunctionBody, Parser, Payload, ValidPayload, Validator, WasmFeatures,
    component_types::ComponentEntityType, types::TypesRef,
};

use crate::domain::plugin::World;

use super::{code_shape::check_function, limits::PluginLimits, log::clean_text, rejection::Rejection, wasi};

const LOG_INTERFACE: &str = "paddock:plugin/log@0.1.0";
const TYPES_INTERFACE: &str = "paddock:plugin/types@0.1.0";
const PLUGIN_INTERFACE: &str = "paddock:plugin/plugin@0.1.0";
const WORLD_INTERFACES: [(World, &str); 3] = [
    (World::Calibrator, "paddock:plugin/calibration@0.1.0"),
    (World::Generator, "paddock:plugin/generation@0.1.0"),
    (World::Constraint, "paddock:plugin/judgement@0.1.0"),
];

/// Longest name or message of a component that is shown, in bytes.
const SHOWN_BYTES: usize = 300;

/// What screening finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screened {
    /// The world that the component targets.
    pub world: World,
    /// Whether it imports WASI, which makes it one of the second tier.
    pub uses_wasi: bool,
}

/// Checks `bytes` and says which world they target, and which tier they need.
///
/// # Errors
/// Why they are not a plugin; the first reason that is found.
pub fn screen(bytes: &[u8], limits: &PluginLimits) -> Result<Screened, Rejection> {
    check_size(bytes, limits)?;
    check_format(bytes)?;
    let mut walk = Walk::new(limits);
    let mut validator = Validator::new_with_features(features());
    let mut functions = Vec::new();
    let mut types = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(&error))?;
        walk.look_at(&payload)?;
        match validator.payload(&payload).map_err(|error| invalid(&error))? {
            ValidPayload::Func(function, body) => functions.push((function, body)),
            ValidPayload::End(found) => types = Some(found),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    let mut allocations = wasmparser::FuncValidatorAllocations::default();
    for (function, body) in functions {
        let mut function = function.into_validator(allocations);
        function.validate(&body).map_err(|error| invalid(&error))?;
        allocations = function.into_allocations();
    }
    let Some(types) = types else {
        return Err(Rejection::Truncated { offset: bytes.len() as u64, inside: "the component".to_owned() });
    };
    walk.check_imports(&types.as_ref())?;
    Ok(Screened { world: walk.world()?, uses_wasi: walk.imports.iter().any(|name| name.starts_with("wasi:")) })
}

fn check_size(bytes: &[u8], limits: &PluginLimits) -> Result<(), Rejection> {
    let limit = limits.component_bytes_max;
    match bytes.len() {
        0 => Err(Rejection::Empty),
        size if size > limit => Err(Rejection::TooLarge { bytes: size, limit }),
        _ => Ok(()),
    }
}

/// Tells apart what people upload by mistake, by the first bytes.
fn check_format(bytes: &[u8]) -> Result<(), Rejection> {
    const MAGIC: &[u8] = b"\0asm";
    if bytes.starts_with(b"\x7fELF") {
        return Err(Rejection::Precompiled { format: "an ELF file such as .cwasm" });
    }
    if bytes.len() < 8 && (MAGIC.starts_with(bytes) || bytes.starts_with(MAGIC)) {
        return Err(Rejection::Truncated { offset: bytes.len() as u64, inside: "the header".to_owned() });
    }
    if !bytes.starts_with(MAGIC) {
        return Err(if is_text(bytes) { Rejection::Text } else { Rejection::NotWasm });
    }
    // Bytes 6 and 7 are the layer: 0 for core modules, 1 for components.
    if bytes[6..8] == [0, 0] { Err(Rejection::CoreModule) } else { Ok(()) }
}

/// Whether the first thing that is neither blank nor comment opens a parenthesis.
fn is_text(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let first_code = head.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(";;"));
    first_code.is_some_and(|line| line.starts_with('('))
}

/// What a plugin may use of WebAssembly; not more than the engine is configured for.
fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::FLOATS
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
}

fn invalid(error: &wasmparser::BinaryReaderError) -> Rejection {
    let offset = error.offset() as u64;
    let message = clean_text(error.message(), SHOWN_BYTES).into_owned();
    if message.starts_with("unexpected end-of-file") {
        return Rejection::Truncated { offset, inside: "a section".to_owned() };
    }
    Rejection::Invalid { offset, message }
}

/// What the walk over the payloads has met.
struct Walk<'a, 'l> {
    limits: &'l PluginLimits,
    /// 1 while in the outermost component.
    depth: usize,
    modules: usize,
    functions: usize,
    data_segments: usize,
    structure_bytes: usize,
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

impl<'a, 'l> Walk<'a, 'l> {
    const fn new(limits: &'l PluginLimits) -> Self {
        Self {
            limits,
            depth: 0,
            modules: 0,
            functions: 0,
            data_segments: 0,
            structure_bytes: 0,
            imports: Vec::new(),
            exports: Vec::new(),
        }
    }

    fn look_at(&mut self, payload: &Payload<'a>) -> Result<(), Rejection> {
        self.structure(payload)?;
        match payload {
            Payload::Version { encoding, .. } => self.enter(*encoding),
            Payload::End(_) => {
                self.depth -= 1;
                Ok(())
            }
            Payload::CodeSectionEntry(body) => self.function(body),
            Payload::DataSection(segments) => {
                self.data_segments += segments.count() as usize;
                let limit = self.limits.data_segments_max;
                within("the number of data segments", self.data_segments, limit, "data_segments_max")
            }
            Payload::ComponentImportSection(imports) if self.depth == 1 => {
                for import in imports.clone() {
                    self.imports.push(import.map_err(|error| invalid(&error))?.name.name);
                }
                Ok(())
            }
            Payload::ComponentExportSection(exports) if self.depth == 1 => {
                for export in exports.clone() {
                    self.exports.push(export.map_err(|error| invalid(&error))?.name.name);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Counts the bytes of a section that is neither code nor data, before anything is made of them.
    fn structure(&mut self, payload: &Payload<'a>) -> Result<(), Rejection> {
        let is_bulk = matches!(
            payload,
            Payload::CodeSectionStart { .. }
                | Payload::DataSection(_)
                | Payload::CustomSection(_)
                | Payload::ModuleSection { .. }
                | Payload::ComponentSection { .. }
        );
        if let Some((_, range)) = payload.as_section().filter(|_| !is_bulk) {
            self.structure_bytes += range.len();
        }
        let limit = self.limits.structure_bytes_max;
        within(
            "the size of its types, imports, exports and the like in bytes",
            self.structure_bytes,
            limit,
            "structure_bytes_max",
        )
    }

    fn enter(&mut self, encoding: Encoding) -> Result<(), Rejection> {
        if self.depth == 0 && encoding == Encoding::Module {
            return Err(Rejection::CoreModule);
        }
        self.depth += 1;
        self.modules += 1;
        within("the number of nested modules and components", self.modules, self.limits.modules_max, "modules_max")
    }

    fn function(&mut self, body: &FunctionBody<'a>) -> Result<(), Rejection> {
        self.functions += 1;
        within("the number of functions", self.functions, self.limits.functions_max, "functions_max")?;
        check_function(body, self.functions, self.limits)?.map_err(|error| invalid(&error))
    }

    /// Refuses every import but the log, the types that come without code, and WASI where the operator lets it in.
    fn check_imports(&self, types: &TypesRef<'_>) -> Result<(), Rejection> {
        for &name in &self.imports {
            let functions = functions_of(types, name);
            let is_offered = match name {
                LOG_INTERFACE => functions.as_ref().is_some_and(|found| found.iter().all(|function| function == "log")),
                TYPES_INTERFACE => functions.as_ref().is_some_and(Vec::is_empty),
                _ => self.limits.wasi && wasi::is_offered(name),
            };
            if !is_offered {
                return Err(Rejection::ForeignImport { name: foreign_name(name, functions.as_deref()) });
            }
        }
        Ok(())
    }

    fn world(&self) -> Result<World, Rejection> {
        let exported: Vec<_> = WORLD_INTERFACES.iter().filter(|(_, name)| self.exports.contains(name)).collect();
        let has_plugin = self.exports.contains(&PLUGIN_INTERFACE);
        match exported.as_slice() {
            [(world, _)] if has_plugin => Ok(*world),
            [] | [_] => Err(self.other_world(has_plugin, exported.is_empty())),
            several => {
                let exported = several.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
                Err(Rejection::ManyWorlds { exported })
            }
        }
    }

    fn other_world(&self, has_plugin: bool, has_no_world: bool) -> Rejection {
        let mut missing = Vec::new();
        if !has_plugin {
            missing.push(format!("`{PLUGIN_INTERFACE}`"));
        }
        if has_no_world {
            let names: Vec<_> = WORLD_INTERFACES.iter().map(|(_, name)| format!("`{name}`")).collect();
            missing.push(format!("one of {}", names.join(", ")));
        }
        let exported = if self.exports.is_empty() { "nothing".to_owned() } else { self.exports.join(", ") };
        Rejection::OtherWorld {
            missing: missing.join(" and "),
            exported: clean_text(&exported, SHOWN_BYTES).into_owned(),
        }
    }
}

/// Names of the functions of an imported interface; `None` where the import is no interface.
fn functions_of(types: &TypesRef<'_>, import: &str) -> Option<Vec<String>> {
    let ComponentEntityType::Instance(instance) = types.component_item_for_import(import)?.ty else { return None };
    let is_type = |ty: &ComponentEntityType| matches!(ty, ComponentEntityType::Type { .. });
    let exports = types[instance].exports.iter();
    Some(exports.filter(|(_, item)| !is_type(&item.ty)).map(|(name, _)| name.clone()).collect())
}

/// The import as its author would write it: an interface that is offered but for one function names that function.
fn foreign_name(import: &str, functions: Option<&[String]>) -> String {
    let is_ours = import == LOG_INTERFACE || import == TYPES_INTERFACE;
    let foreign = functions.unwrap_or_default().iter().find(|function| *function != "log");
    let name = match foreign {
        Some(function) if is_ours => format!("{import}#{function}"),
        _ => import.to_owned(),
    };
    clean_text(&name, SHOWN_BYTES).into_owned()
}

/// Checks a count against its limit.
pub fn within(what: &str, value: usize, limit: usize, name: &'static str) -> Result<(), Rejection> {
    if value <= limit {
        Ok(())
    } else {
        Err(Rejection::PastLimit { what: what.to_owned(), value: value as u64, limit: limit as u64, name })
    }
}
