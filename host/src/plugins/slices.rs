//! Cuts what a guest fills or copies at once into slices. To the engine `memory.fill` and `memory.copy` are single calls of the C library,
//! however long they take: a guest that fills hundreds of megabytes would not notice for as long that it was told to stop. Here each of
//! these instructions becomes a call of a function that does the same slice by slice; the engine looks at the epoch in its loop.
//!
//! Only what is compiled is changed, never what is stored, hashed or shown. The bytes have passed `screen`: one 32-bit memory for a module.

use std::{borrow::Cow, ops::Range};

use wasm_encoder::{BlockType, CodeSection, Component, Encode, Function, InstructionSink, Module, RawSection};
use wasmparser::{BinaryReader, Operator, Parser, Payload, Result, TypeRef};

/// What is filled or copied between two looks at the epoch, in bytes: a millisecond or two of work where the pages are new.
const SLICE_BYTES: i32 = 1 << 20;

/// Bytes before the first section.
const HEADER_BYTES: usize = 8;

// Section numbers of components and of modules.
const COMPONENT_MODULE: u8 = 1;
const COMPONENT_COMPONENT: u8 = 4;
const MODULE_TYPES: u8 = 1;
const MODULE_FUNCTIONS: u8 = 3;
const MODULE_CODE: u8 = 10;

/// The component with every fill and copy of its modules cut into slices.
///
/// # Errors
/// Where it cannot be read, which screening has ruled out.
pub fn sliced(component: &[u8]) -> Result<Vec<u8>> {
    let mut cut = Component::new();
    for section in sections(component)? {
        let data = match section.id {
            COMPONENT_MODULE => sliced_module(section.data)?,
            COMPONENT_COMPONENT => Cow::Owned(sliced(section.data)?),
            _ => Cow::Borrowed(section.data),
        };
        cut.section(&RawSection { id: section.id, data: &data });
    }
    Ok(cut.finish())
}

struct Section<'a> {
    id: u8,
    data: &'a [u8],
}

fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>> {
    let mut reader = BinaryReader::new(bytes, 0);
    reader.read_bytes(HEADER_BYTES)?;
    let mut sections = Vec::new();
    while !reader.eof() {
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()? as usize;
        sections.push(Section { id, data: reader.read_bytes(size)? });
    }
    Ok(sections)
}

fn sliced_module(module: &[u8]) -> Result<Cow<'_, [u8]>> {
    let found = Found::read(module)?;
    if found.bodies.iter().all(|body| body.bulk.is_empty()) {
        return Ok(Cow::Borrowed(module));
    }
    let mut cut = Module::new();
    for section in sections(module)? {
        let data = match section.id {
            MODULE_TYPES => Cow::Owned(longer(section.data, 1, &[0x60, 3, I32, I32, I32, 0])?),
            MODULE_FUNCTIONS => {
                let mut kinds = Vec::new();
                // Both are of the type that has just been added.
                found.types.encode(&mut kinds);
                found.types.encode(&mut kinds);
                Cow::Owned(longer(section.data, 2, &kinds)?)
            }
            MODULE_CODE => {
                cut.section(&found.sliced_code(module));
                continue;
            }
            _ => Cow::Borrowed(section.data),
        };
        cut.section(&RawSection { id: section.id, data: &data });
    }
    Ok(Cow::Owned(cut.finish()))
}

/// The type `i32`, as it is written.
const I32: u8 = 0x7f;

/// A section that begins with the number of its items, with more of them.
fn longer(data: &[u8], more: u32, items: &[u8]) -> Result<Vec<u8>> {
    let mut reader = BinaryReader::new(data, 0);
    let count = reader.read_var_u32()?;
    let mut longer = Vec::with_capacity(data.len() + items.len() + 1);
    (count + more).encode(&mut longer);
    longer.extend_from_slice(&data[reader.original_position()..]);
    longer.extend_from_slice(items);
    Ok(longer)
}

/// What is to be changed in a module.
#[derive(Default)]
struct Found {
    /// Types, the next of which will be that of a bulk operation.
    types: u32,
    /// Functions, imported ones included; behind them come those that fill and copy.
    functions: u32,
    bodies: Vec<Body>,
}

struct Body {
    range: Range<usize>,
    bulk: Vec<(Range<usize>, Bulk)>,
}

/// The functions that are added, in their order.
#[derive(Debug, Clone, Copy)]
enum Bulk {
    Fill,
    Copy,
}

impl Found {
    fn read(module: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(types) => found.types = types.count(),
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        found.functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(functions) => found.functions += functions.count(),
                Payload::CodeSectionEntry(body) => {
                    let operators = body.get_operators_reader()?.into_iter_with_offsets();
                    found.bodies.push(Body { range: body.range(), bulk: bulk_operations(operators)? });
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn sliced_code(&self, module: &[u8]) -> CodeSection {
        let mut code = CodeSection::new();
        for body in &self.bodies {
            let mut cut = Vec::with_capacity(body.range.len() + 4 * body.bulk.len());
            let mut copied = body.range.start;
            for (operation, bulk) in &body.bulk {
                cut.extend_from_slice(&module[copied..operation.start]);
                InstructionSink::new(&mut cut).call(self.functions + *bulk as u32);
                copied = operation.end;
            }
            cut.extend_from_slice(&module[copied..body.range.end]);
            code.raw(&cut);
        }
        code.function(&fill()).function(&copy());
        code
    }
}

fn bulk_operations<'a>(
    operators: impl Iterator<Item = Result<(Operator<'a>, usize)>>,
) -> Result<Vec<(Range<usize>, Bulk)>> {
    let mut found: Vec<(Range<usize>, Bulk)> = Vec::new();
    let mut open: Option<(usize, Bulk)> = None;
    let mut is_short = false;
    for operator in operators {
        let (operator, offset) = operator?;
        // An operation reaches to where the next one begins; a body ends with another.
        found.extend(open.take().map(|(start, bulk)| (start..offset, bulk)));
        open = match operator {
            Operator::MemoryFill { mem: 0 } if !is_short => Some((offset, Bulk::Fill)),
            Operator::MemoryCopy { dst_mem: 0, src_mem: 0 } if !is_short => Some((offset, Bulk::Copy)),
            _ => None,
        };
        // The engine has something faster for lengths that it knows, and code between here and there would be in the way of that.
        is_short = matches!(operator, Operator::I32Const { value } if (0..=SLICE_BYTES).contains(&value));
    }
    Ok(found)
}

// Parameters of the functions that are added.
const DST: u32 = 0;
const VALUE_OR_SRC: u32 = 1;
const LEN: u32 = 2;

/// `memory.fill`, in slices from the front.
fn fill() -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    in_slices(&mut code, &[DST], |code| {
        code.local_get(DST).local_get(VALUE_OR_SRC).i32_const(SLICE_BYTES).memory_fill(0);
        advance(code, DST);
        shorten(code);
    });
    code.local_get(DST).local_get(VALUE_OR_SRC).local_get(LEN).memory_fill(0).end();
    function
}

/// `memory.copy`: in slices from the front where it goes down, from the back where it goes up, so that nothing is overwritten that is still
/// to be copied.
fn copy() -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    in_slices(&mut code, &[DST, VALUE_OR_SRC], |code| {
        code.local_get(DST).local_get(VALUE_OR_SRC).i32_gt_u().if_(BlockType::Empty);
        shorten(code);
        for start in [DST, VALUE_OR_SRC] {
            code.local_get(start).local_get(LEN).i32_add();
        }
        code.i32_const(SLICE_BYTES).memory_copy(0, 0);
        code.else_();
        code.local_get(DST).local_get(VALUE_OR_SRC).i32_const(SLICE_BYTES).memory_copy(0, 0);
        advance(code, DST);
        advance(code, VALUE_OR_SRC);
        shorten(code);
        code.end();
    });
    code.local_get(DST).local_get(VALUE_OR_SRC).local_get(LEN).memory_copy(0, 0).end();
    function
}

/// Does `slice` for as long as more than a slice is left; the rest is left to the caller, and all of it where `starts` plus the length
/// reach out of the memory: such an operation fails as a whole and changes nothing.
fn in_slices(code: &mut InstructionSink<'_>, starts: &[u32], slice: impl FnOnce(&mut InstructionSink<'_>)) {
    code.block(BlockType::Empty);
    code.local_get(LEN).i32_const(SLICE_BYTES).i32_le_u().br_if(0);
    for start in starts {
        code.local_get(*start).i64_extend_i32_u().local_get(LEN).i64_extend_i32_u().i64_add();
        code.memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl().i64_gt_u().br_if(0);
    }
    code.loop_(BlockType::Empty);
    slice(code);
    code.local_get(LEN).i32_const(SLICE_BYTES).i32_gt_u().br_if(0);
    code.end().end();
}

fn advance(code: &mut InstructionSink<'_>, local: u32) {
    code.local_get(local).i32_const(SLICE_BYTES).i32_add().local_set(local);
}

fn shorten(code: &mut InstructionSink<'_>) {
    code.local_get(LEN).i32_const(SLICE_BYTES).i32_sub().local_set(LEN);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wasm_encoder::{
        ConstExpr, DataSection, EntityType, ExportKind, ExportSection, FunctionSection, ImportSection, MemorySection,
        MemoryType, TypeSection, ValType,
    };
    use wasmtime::{Engine, Instance, Memory, Store};

    use super::*;

    const PAGES: u64 = 80;
    const MEMORY_BYTES: u32 = 80 << 16;

    /// Exports `fill` and `copy`, which do that with their arguments, behind an imported function; the memory holds a pattern.
    fn module() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32; 3], []);
        let mut imports = ImportSection::new();
        imports.import("host", "nothing", EntityType::Function(0));
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut memories = MemorySection::new();
        let (minimum, maximum) = (PAGES, Some(PAGES));
        memories.memory(MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None });
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("fill", ExportKind::Func, 1).export("copy", ExportKind::Func, 2);
        let mut code = CodeSection::new();
        let [mut fill, mut copy] = [Function::new([]), Function::new([])];
        fill.instructions().local_get(0).local_get(1).local_get(2).memory_fill(0).end();
        copy.instructions().local_get(0).local_get(1).local_get(2).memory_copy(0, 0).end();
        code.function(&fill).function(&copy);
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), (0..MEMORY_BYTES).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8));
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&memories).section(&exports);
        module.section(&code).section(&data);
        module.finish()
    }

    /// Calls an export; says whether it came to its end, and what the memory holds then.
    fn called(module: &[u8], export: &str, arguments: (u32, u32, u32)) -> (bool, Vec<u8>) {
        let engine = Engine::default();
        let module = wasmtime::Module::new(&engine, module).unwrap();
        let mut store = Store::new(&engine, ());
        let nothing = wasmtime::Func::wrap(&mut store, |_: u32, _: u32, _: u32| {});
        let instance = Instance::new(&mut store, &module, &[nothing.into()]).unwrap();
        let call = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, export).unwrap();
        let ended = call.call(&mut store, arguments).is_ok();
        let memory: Memory = instance.get_memory(&mut store, "memory").unwrap();
        (ended, memory.data(&store).to_vec())
    }

    fn same(export: &str, arguments: (u32, u32, u32)) {
        let whole = module();
        let cut = sliced_module(&whole).unwrap();
        assert_ne!(&*cut, &*whole);
        assert!(called(&whole, export, arguments) == called(&cut, export, arguments), "{export} {arguments:?}");
    }

    #[test]
    fn at_the_edges_of_slices_and_memory_the_same_is_done() {
        let slice = SLICE_BYTES as u32;
        let lengths = [0, 1, slice - 1, slice, slice + 1, 2 * slice, 2 * slice + 1, MEMORY_BYTES, u32::MAX];
        for length in lengths {
            same("fill", (0, 7, length));
            same("fill", (MEMORY_BYTES.saturating_sub(length), 0x1ff, length));
            same("fill", (MEMORY_BYTES.saturating_sub(length).saturating_add(1), 7, length));
            for (to, from) in [(0, 1), (1, 0), (0, slice), (slice, 0), (3, 3), (u32::MAX, 0), (0, u32::MAX)] {
                same("copy", (to, from, length));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn wherever_and_however_long_the_same_is_done(
            to in 0..MEMORY_BYTES,
            from in 0..MEMORY_BYTES,
            length in 0..MEMORY_BYTES,
        ) {
            same("fill", (to, from, length));
            same("copy", (to, from, length));
            same("copy", (to / 4, from / 4, length / 2));
        }
    }

    #[test]
    fn what_is_known_to_be_short_is_left_to_the_engine() {
        let cut = |length: i32| {
            let mut code = Vec::new();
            InstructionSink::new(&mut code).i32_const(1).i32_const(2).i32_const(length).memory_copy(0, 0).end();
            let operators = wasmparser::OperatorsReader::new(BinaryReader::new(&code, 0)).into_iter_with_offsets();
            bulk_operations(operators).unwrap().len()
        };
        assert_eq!([0, SLICE_BYTES, SLICE_BYTES + 1, -1].map(cut), [0, 0, 1, 1]);
    }

    #[test]
    fn a_module_without_bulk_operations_stays_as_it_is_and_so_does_everything_around_it() {
        let mut empty = Module::new();
        empty.section(&TypeSection::new());
        let mut inner = Component::new();
        inner.section(&RawSection { id: COMPONENT_MODULE, data: &empty.finish() });
        let mut component = Component::new();
        component.section(&RawSection { id: COMPONENT_COMPONENT, data: &inner.finish() });
        component.section(&RawSection { id: 0, data: b"\x04note" });
        let whole = component.finish();
        assert_eq!(sliced(&whole).unwrap(), whole);
        assert!(sliced(&whole[..whole.len() - 1]).is_err());
    }
}
