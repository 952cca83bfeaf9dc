//! Makes small components: a core module in WebAssembly text, with the names that the canonical ABI gives to the
//! exports of a world, turned into a component by `wit-component`.
//!
//! A fixture is an honest plugin of its world; a test replaces one function's body with something hostile.

use std::{fmt::Write as _, path::Path};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A component under construction: defaults are honest.
pub struct Fixture {
    world: &'static str,
    /// Body of `describe`, which returns the address of a description.
    pub describe: String,
    /// Body of the function that opens the resource.
    pub open: String,
    /// Body of the function that restores it from a checkpoint; as `open` where it is absent.
    pub restore: Option<String>,
    /// Bodies of the other functions, by their core name after the interface.
    pub methods: Vec<(&'static str, String)>,
    /// Body of what drops the first resource; there is none where it is empty.
    pub drop: String,
    /// More imports of the core module.
    pub imports: String,
    /// WIT of the packages that they come from.
    pub packages: Vec<&'static str>,
    /// More items of the core module.
    pub items: String,
    /// First memory, in pages.
    pub pages: u32,
    /// Where what the host hands over goes; begins again at the start once it is full.
    pub heap: std::ops::Range<u32>,
    text: Text,
}

/// Address of the description in the guest's memory.
pub const DESCRIPTION: u32 = 1024;
/// Address at which functions put what they return.
pub const RESULT: u32 = 2048;
/// Address of larger return values.
pub const LISTS: u32 = 65_536;
/// Address of a generated block; opening a resource writes to [`RESULT`].
pub const BLOCK: u32 = 3072;
/// Address of the description's strings, behind the most veto reasons that a test declares.
const TEXTS: u32 = 16_384;

/// Strings in the guest's memory.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    stores: String,
}

impl Text {
    /// Stores pointer and length of a string at `address` when the description is made.
    fn put(&mut self, address: u32, text: &str) {
        let pointer = TEXTS + u32::try_from(self.bytes.len()).unwrap();
        self.bytes.extend_from_slice(text.as_bytes());
        let length = text.len();
        writeln!(self.stores, "(i32.store (i32.const {address}) (i32.const {pointer}))").unwrap();
        writeln!(self.stores, "(i32.store offset=4 (i32.const {address}) (i32.const {length}))").unwrap();
    }
}

/// What a fixture says of itself.
pub struct Says<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub summary: &'a str,
    pub schema: &'a str,
    pub reasons: &'a [(&'a str, &'a str)],
    pub layout: Option<&'a str>,
    pub judges: bool,
}

pub const CONSTRAINT: Says<'static> = Says {
    name: "fixture",
    version: "1.2.3",
    summary: "A plugin for tests.",
    schema: r#"{"type":"object","additionalProperties":false,"properties":{"share":{"type":"number","default":0.5,"maximum":1}}}"#,
    reasons: &[("first", "The first reason."), ("second", "The second reason.")],
    layout: None,
    judges: true,
};

pub const MODEL_PLUGIN: Says<'static> =
    Says { reasons: &[], layout: Some("fixture-layout/1"), judges: false, ..CONSTRAINT };

/// The posterior layout of the built-in calibrator and generator.
const BUILT_IN_LAYOUT: &str = "attrition-plackett-luce/1";

impl Fixture {
    /// A constraint that keeps everything.
    pub fn constraint() -> Self {
        Self::constraint_that_says(&CONSTRAINT)
    }

    pub fn constraint_that_says(says: &Says<'_>) -> Self {
        let keep_all =
            |count_local: u32| ok_list(&format!("(i32.const {LISTS})"), &format!("(local.get {count_local})"));
        let mut fixture = Self::new("constraint", says);
        fixture.open = ok_handle("new");
        fixture.methods =
            vec![("[method]scenario-judge.judge", keep_all(1)), ("[method]lineup-judge.judge", keep_all(1))];
        fixture
    }

    /// As [`Self::constraint`], with this name.
    pub fn constraint_named(name: &str) -> Self {
        Self::constraint_that_says(&Says { name, ..CONSTRAINT })
    }

    /// A generator whose scenarios are all the same: `generate` answers with what [`block`] put there.
    pub fn generator() -> Self {
        Self::generator_that_says(&MODEL_PLUGIN)
    }

    pub fn generator_that_says(says: &Says<'_>) -> Self {
        let mut fixture = Self::new("generator", says);
        fixture.open = ok_handle("new");
        fixture.methods = vec![("[method]generator.generate", format!("(i32.const {BLOCK})"))];
        fixture
    }

    /// A calibrator of two columns that is done after 100 iterations, 50 of them warm-up, without draws.
    pub fn calibrator() -> Self {
        let mut fixture = Self::new("calibrator", &MODEL_PLUGIN);
        fixture.open = ok_handle("new");
        fixture.methods = vec![
            ("[method]chain.layout", layout_of(&[("strength", &[2])])),
            ("[method]chain.step", step_to("(i32.add (global.get $done) (local.get 1))", "(i32.const 100)")),
            ("[method]chain.take-draws", draws(0, &[])),
            ("[method]chain.checkpoint", bytes_of(16)),
        ];
        fixture
    }

    /// A calibrator with this name that is done after 100 iterations, however many a step asks for, without draws. It writes the
    /// layout that the built-in generator reads.
    pub fn calibrator_named(name: &str) -> Self {
        let step = "(i32.add (global.get $done) (local.get 1))";
        let capped = format!("(select (i32.const 100) {step} (i32.gt_u {step} (i32.const 100)))");
        let mut fixture = Self::calibrator();
        let named = Self::new("calibrator", &Says { name, layout: Some(BUILT_IN_LAYOUT), ..MODEL_PLUGIN });
        (fixture.describe, fixture.text) = (named.describe, named.text);
        fixture.with("chain.step", step_to(&capped, "(i32.const 100)"))
    }

    pub(crate) fn new(world: &'static str, says: &Says<'_>) -> Self {
        let mut text = Text::default();
        let fields = [says.name, says.version, says.summary, says.schema];
        for (field, address) in fields.into_iter().zip((DESCRIPTION..).step_by(8)) {
            text.put(address, field);
        }
        let reasons = DESCRIPTION + 64;
        for ((code, summary), address) in says.reasons.iter().zip((reasons..).step_by(20)) {
            text.put(address, code);
            text.put(address + 8, summary);
        }
        if let Some(layout) = says.layout {
            text.put(DESCRIPTION + 44, layout);
        }
        let describe = format!(
            "{} (i32.store (i32.const {}) (i32.const {reasons})) (i32.store (i32.const {}) (i32.const {}))
             (i32.store8 (i32.const {}) (i32.const {})) (i32.store16 (i32.const {}) (i32.const {}))
             (i32.const {DESCRIPTION})",
            text.stores,
            DESCRIPTION + 32,
            DESCRIPTION + 36,
            says.reasons.len(),
            DESCRIPTION + 40,
            u32::from(says.layout.is_some()),
            DESCRIPTION + 52,
            if says.judges { 0x0101 } else { 0 },
        );
        Self {
            world,
            describe,
            open: String::new(),
            restore: None,
            methods: Vec::new(),
            drop: String::new(),
            imports: String::new(),
            packages: Vec::new(),
            items: String::new(),
            pages: 16,
            heap: 524_288..1_000_000,
            text,
        }
    }

    /// Replaces the body of a function.
    pub fn with(mut self, method: &str, body: impl Into<String>) -> Self {
        let found = self.methods.iter_mut().find(|(name, _)| name.ends_with(method)).expect("a method of this world");
        found.1 = body.into();
        self
    }

    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        self.build_in(&format!("world fixture {{ include paddock:plugin/{}@0.1.0; }}", self.world))
    }

    /// The component's bytes, with these imports beside those of its world.
    pub fn build_importing(&self, imports: &str) -> Vec<u8> {
        self.build_in(&format!("world fixture {{ include paddock:plugin/{}@0.1.0; {imports} }}", self.world))
    }

    /// The component's bytes for a world of its own that includes this fixture's.
    pub fn build_in(&self, world: &str) -> Vec<u8> {
        componentize_with(&self.core_text(), &format!("package test:fixture;\n{world}"), &self.packages)
    }

    fn core_text(&self) -> String {
        let (interface, resources): (_, &[&str]) = match self.world {
            "constraint" => ("judgement", &["scenario-judge", "lineup-judge"]),
            "generator" => ("generation", &["generator"]),
            _ => ("calibration", &["chain"]),
        };
        let interface = format!("paddock:plugin/{interface}@0.1.0");
        let mut text = String::from("(module\n");
        for (index, resource) in resources.iter().enumerate() {
            let name = if index == 0 { "$new".to_owned() } else { format!("$new{index}") };
            let import = format!(
                r#"(import "[export]{interface}" "[resource-new]{resource}" (func {name} (param i32) (result i32)))"#
            );
            writeln!(text, "{import}").unwrap();
        }
        writeln!(text, r#"(import "paddock:plugin/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#).unwrap();
        text.push_str(&self.imports);
        let heap = allocator(&self.heap);
        writeln!(text, r#"(memory (export "memory") {}) {heap} (global $done (mut i32) (i32.const 0))"#, self.pages)
            .unwrap();
        writeln!(text, "(data (i32.const {TEXTS}) \"{}\") {}", escaped(&self.text.bytes), self.items).unwrap();
        writeln!(text, r#"(func (export "paddock:plugin/plugin@0.1.0#describe") (result i32) {})"#, self.describe)
            .unwrap();
        for (index, resource) in resources.iter().enumerate() {
            let body = if index == 0 { self.open.clone() } else { self.open.replace("$new", &format!("$new{index}")) };
            for (name, params) in openers(self.world, resource) {
                let restore = self.restore.as_ref().filter(|_| name.ends_with(".restore"));
                let body = restore.unwrap_or(&body);
                writeln!(text, r#"(func (export "{interface}#{name}") (param {params}) (result i32) {body})"#).unwrap();
            }
        }
        if !self.drop.is_empty() {
            let name = format!("{interface}#[dtor]{}", resources[0]);
            writeln!(text, r#"(func (export "{name}") (param i32) {})"#, self.drop).unwrap();
        }
        for (name, body) in &self.methods {
            let params = method_params(name);
            writeln!(text, r#"(func (export "{interface}#{name}") (param {params}) (result i32) {body})"#).unwrap();
        }
        text + ")"
    }
}

/// Turns a core module into a component of a world; the world's package may use the plugin contract.
pub fn componentize(core_text: &str, package: &str) -> Vec<u8> {
    componentize_with(core_text, package, &[])
}

/// As [`componentize`], with more packages that the world's may use.
fn componentize_with(core_text: &str, package: &str, packages: &[&str]) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
    for package in packages {
        resolve.push_str("import.wit", package).unwrap();
    }
    let package = resolve.push_str("fixture.wit", package).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(core_text).unwrap_or_else(|error| panic!("{error}\n{core_text}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A bump allocator: fixtures never need what they got before.
fn allocator(heap: &std::ops::Range<u32>) -> String {
    let (start, end) = (heap.start, heap.end);
    format!(
        r#"(global $next (mut i32) (i32.const {start}))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
          (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
          (if (i32.gt_u (i32.add (local.get $at) (local.get 3)) (i32.const {end}))
            (then (local.set $at (i32.const {start}))))
          (global.set $next (i32.add (local.get $at) (local.get 3)))
          (local.get $at))"#
    )
}

/// A generator that reads what the built-in calibrator writes, and makes possible races of any size in which nothing happens: the
/// entries finish in their order. Then it lies.
pub struct Scenarios<'a> {
    /// How many there are to be; an expression, the second parameter is the number that was asked for.
    pub count: &'a str,
    /// What is done to the block afterwards.
    pub lie: &'a str,
}

impl Scenarios<'_> {
    /// As many as were asked for, without a lie.
    pub const HONEST: Self = Self { count: "(local.get 2)", lie: "" };
    /// Address of the finish positions.
    pub const FINISH: u32 = 8 << 20;
    /// Address of every other column, all of them zeros.
    pub const LAPS: u32 = 12 << 20;
    /// Where the length of the race's starting order is among the arguments of `open`.
    const ENTRIES: u32 = 60;

    /// The generator under construction.
    pub fn fixture(&self, name: &str) -> Fixture {
        let mut fixture = Fixture::new("generator", &Says { name, layout: Some(BUILT_IN_LAYOUT), ..MODEL_PLUGIN });
        fixture.pages = 256;
        fixture.heap = 524_288..Self::FINISH;
        fixture.items = "(global $entries (mut i32) (i32.const 0))".to_owned();
        let entries = Self::ENTRIES;
        let seen = format!("(global.set $entries (i32.load offset={entries} (local.get 0)))");
        fixture.open = format!("{seen} {}", ok_handle("new"));
        fixture.methods = vec![("[method]generator.generate", self.generate())];
        fixture
    }

    fn generate(&self) -> String {
        let Self { count, lie } = self;
        let (finish, laps) = (Self::FINISH, Self::LAPS);
        let mut head =
            format!("(i32.store8 (i32.const {BLOCK}) (i32.const 0)) (i32.store offset=4 (i32.const {BLOCK}) {count})");
        for (column, pointer) in [finish, laps, laps, laps, laps].into_iter().enumerate() {
            let at = 8 + 8 * column;
            write!(head, "(i32.store offset={at} (i32.const {BLOCK}) (i32.const {pointer}))").unwrap();
            write!(head, "(i32.store offset={} (i32.const {BLOCK}) (local.get $cells))", at + 4).unwrap();
        }
        format!(
            "(local $cells i32) (local $cell i32)
             (local.set $cells (i32.mul (global.get $entries) {count}))
             (block $done (loop $next (br_if $done (i32.ge_u (local.get $cell) (local.get $cells)))
               (i32.store16 (i32.add (i32.const {finish}) (i32.shl (local.get $cell) (i32.const 1)))
                 (i32.add (i32.rem_u (local.get $cell) (global.get $entries)) (i32.const 1)))
               (local.set $cell (i32.add (local.get $cell) (i32.const 1))) (br $next)))
             {head} {lie} (i32.const {BLOCK})"
        )
    }
}

/// Core names and parameters of what opens a resource.
fn openers(world: &str, resource: &str) -> Vec<(String, String)> {
    let open = format!("[static]{resource}.open");
    match (world, resource) {
        ("constraint", "scenario-judge") => vec![(open, "i32 ".repeat(10))],
        ("constraint", _) => vec![(open, "i32 ".repeat(13))],
        ("generator", _) => vec![(open, "i32".to_owned())],
        _ => vec![(open, "i32".to_owned()), (format!("[static]{resource}.restore"), "i32".to_owned())],
    }
}

fn method_params(name: &str) -> &'static str {
    match name {
        "[method]scenario-judge.judge" => "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32",
        "[method]lineup-judge.judge" => "i32 i32 i32 i32 i32",
        "[method]generator.generate" => "i32 i64 i32",
        "[method]chain.step" => "i32 i32",
        _ => "i32",
    }
}

/// Answers `ok` with a new handle.
pub fn ok_handle(new: &str) -> String {
    format!(
        "(i32.store8 (i32.const {RESULT}) (i32.const 0))
         (i32.store offset=4 (i32.const {RESULT}) (call ${new} (i32.const 7))) (i32.const {RESULT})"
    )
}

/// Answers `ok` with a list of bytes; pointer and length are expressions.
pub fn ok_list(pointer: &str, length: &str) -> String {
    format!(
        "(i32.store8 (i32.const {RESULT}) (i32.const 0)) (i32.store offset=4 (i32.const {RESULT}) {pointer})
         (i32.store offset=8 (i32.const {RESULT}) {length}) (i32.const {RESULT})"
    )
}

/// Answers with a refusal: its number in the contract and a text that a data segment puts at [`LISTS`].
pub fn refuse(number: u32, length: usize) -> String {
    format!(
        "(i32.store8 (i32.const {RESULT}) (i32.const 1)) (i32.store8 offset=4 (i32.const {RESULT}) (i32.const {number}))
         (i32.store offset=8 (i32.const {RESULT}) (i32.const {LISTS}))
         (i32.store offset=12 (i32.const {RESULT}) (i32.const {length})) (i32.const {RESULT})"
    )
}

/// A data segment with these bytes at [`LISTS`].
pub fn data(bytes: &[u8]) -> String {
    format!("(data (i32.const {LISTS}) \"{}\")", escaped(bytes))
}

/// The columns of a generated block as data segments: finish, laps led, fastest laps, laps completed, retired. The scenario
/// count is written by itself, so that it can lie.
pub fn block(scenarios: u32, columns: [&[u16]; 4], retired: &[u8]) -> String {
    let mut head = vec![0, 0, 0, 0];
    head.extend_from_slice(&scenarios.to_le_bytes());
    let mut body = Vec::new();
    let bytes: Vec<Vec<u8>> =
        columns.iter().map(|column| column.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let lengths = columns.iter().map(|column| column.len()).chain([retired.len()]);
    for (column, length) in bytes.iter().map(Vec::as_slice).chain([retired]).zip(lengths) {
        head.extend_from_slice(&(LISTS + u32::try_from(body.len()).unwrap()).to_le_bytes());
        head.extend_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        body.extend_from_slice(column);
    }
    format!("(data (i32.const {BLOCK}) \"{}\") {}", escaped(&head), data(&body))
}

/// Body of a `layout` that answers with these blocks.
pub fn layout_of(blocks: &[(&str, &[u32])]) -> String {
    let mut body = String::new();
    let mut free = LISTS + 1024;
    for ((name, shape), at) in blocks.iter().zip((LISTS..).step_by(20)) {
        let name_at = free;
        for (byte, address) in name.bytes().zip(free..) {
            write!(body, "(i32.store8 (i32.const {address}) (i32.const {byte}))").unwrap();
        }
        free += 128;
        let shape_at = free;
        for (size, address) in shape.iter().zip((free..).step_by(4)) {
            write!(body, "(i32.store (i32.const {address}) (i32.const {size}))").unwrap();
        }
        free += 128;
        let fields = [name_at, u32::try_from(name.len()).unwrap(), shape_at, u32::try_from(shape.len()).unwrap(), 1];
        for (field, address) in fields.into_iter().zip((at..).step_by(4)) {
            write!(body, "(i32.store (i32.const {address}) (i32.const {field}))").unwrap();
        }
    }
    let count = blocks.len();
    format!("{body} {}", pair(&LISTS.to_string(), &count.to_string()))
}

/// Body of a `step` that says how far it has come; both are expressions.
pub fn step_to(done: &str, total: &str) -> String {
    format!(
        "(global.set $done {done}) (i32.store8 (i32.const {RESULT}) (i32.const 0))
         (i32.store offset=8 (i32.const {RESULT}) (global.get $done))
         (i32.store offset=12 (i32.const {RESULT}) {total}) (i32.const {RESULT})"
    )
}

/// Body of a `take-draws` that says `count` and hands over these values.
pub fn draws(count: u32, values: &[f64]) -> String {
    let mut body = String::new();
    for (value, address) in values.iter().zip((LISTS..).step_by(8)) {
        let bits = value.to_bits();
        write!(body, "(i64.store (i32.const {address}) (i64.const {bits}))").unwrap();
    }
    let length = values.len();
    format!(
        "{body} (i32.store (i32.const {RESULT}) (i32.const {count}))
         (i32.store offset=4 (i32.const {RESULT}) (i32.const {LISTS}))
         (i32.store offset=8 (i32.const {RESULT}) (i32.const {length})) (i32.const {RESULT})"
    )
}

/// Body of a `checkpoint` of this many bytes.
pub fn bytes_of(length: usize) -> String {
    pair(&LISTS.to_string(), &length.to_string())
}

fn pair(first: &str, second: &str) -> String {
    format!(
        "(i32.store (i32.const {RESULT}) (i32.const {first}))
         (i32.store offset=4 (i32.const {RESULT}) (i32.const {second})) (i32.const {RESULT})"
    )
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").unwrap();
        text
    })
}
