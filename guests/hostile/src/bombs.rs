//! Uploads that are small and cost whoever looks at them much: time to compile, or memory to check.

use std::fmt::Write as _;

use crate::{
    fixture::{CONSTRAINT, Fixture, Says},
    uploads::{COMPONENTS, HEADER, leb128, with_section, with_sections},
};

const CUSTOM_SECTION: u8 = 0;
const COMPONENT_SECTION: u8 = 4;
const TYPE_SECTION: u8 = 7;

/// An honest constraint with more items in its core module.
fn with_items(name: &str, items: String) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.items = items;
    fixture.build()
}

pub(crate) fn locals_times_loops(name: &str) -> Vec<u8> {
    let nested = format!("{} {}", "(loop (br_if 0 (i32.const 0))".repeat(51), ")".repeat(51));
    with_items(name, format!("(func (local {}) {nested} {nested})", "i64 ".repeat(10_000)))
}

pub(crate) fn many_functions(name: &str) -> Vec<u8> {
    with_items(name, "(func)".repeat(100_000))
}

pub(crate) fn huge_data(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.pages = 520;
    fixture.items = format!("(data (i32.const 1048576) \"{}\")", "x".repeat(31 << 20));
    fixture.build()
}

pub(crate) fn far_apart_data(name: &str) -> Vec<u8> {
    let mut fixture = Fixture::constraint_named(name);
    fixture.pages = 8_000;
    fixture.items = "(data (i32.const 8) \"a\") (data (i32.const 524287999) \"b\")".to_owned();
    fixture.build()
}

pub(crate) fn deep_types(name: &str) -> Vec<u8> {
    let mut types = "(type $t0 (list u8))".to_owned();
    for depth in 1..10_000 {
        write!(types, "(type $t{depth} (list $t{}))", depth - 1).unwrap();
    }
    // Its numbers begin at 0 in a component of its own.
    with_sections(Fixture::constraint_named(name).build(), &format!("(component {types})"))
}

pub(crate) fn doubled_types(name: &str) -> Vec<u8> {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..40 {
        write!(types, "(type $t{level} (tuple $t{0} $t{0}))", level - 1).unwrap();
    }
    with_sections(Fixture::constraint_named(name).build(), &format!("(component {types})"))
}

pub(crate) fn doubled_instances(name: &str) -> Vec<u8> {
    let mut components = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..30 {
        let instance = format!("(instance (instantiate $c{}))", level - 1);
        write!(components, "(component $c{level} {instance} {instance})").unwrap();
    }
    let all = format!("(component {components} (instance (instantiate $c29)))");
    let text = format!("{all} (instance (instantiate {COMPONENTS}))");
    with_sections(Fixture::constraint_named(name).build(), &text)
}

pub(crate) fn deep_components(name: &str) -> Vec<u8> {
    let nest = |inner: Vec<u8>, _| with_section(HEADER.to_vec(), COMPONENT_SECTION, &inner);
    let nested = (0..100).fold(HEADER.to_vec(), nest);
    with_section(Fixture::constraint_named(name).build(), COMPONENT_SECTION, &nested)
}

/// Ten components of half a million types each: lists of bytes, two bytes long.
pub(crate) fn many_types(name: &str) -> Vec<u8> {
    const TYPES: usize = 500_000;
    let types = [leb128(TYPES), b"\x70\x7d".repeat(TYPES)].concat();
    let inner = with_section(HEADER.to_vec(), TYPE_SECTION, &types);
    (0..10).fold(Fixture::constraint_named(name).build(), |outer, _| with_section(outer, COMPONENT_SECTION, &inner))
}

pub(crate) fn branch_tables(name: &str) -> Vec<u8> {
    const DEPTH: usize = 500;
    let mut targets = String::new();
    for index in 0..50_000 {
        write!(targets, "{} ", index % DEPTH).unwrap();
    }
    let body = format!("(br_table {targets} (local.get 0))");
    let function = format!("(func (param i32) {} {body} {})", "(block ".repeat(DEPTH), ")".repeat(DEPTH));
    with_items(name, function.repeat(2))
}

pub(crate) fn pattern_bomb(name: &str) -> Vec<u8> {
    let mut properties = String::new();
    for index in 0..200 {
        write!(properties, r#"{}"p{index}":{{"pattern":"\\w{{35}}"}}"#, if index == 0 { "" } else { "," }).unwrap();
    }
    let schema = format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
    Fixture::constraint_that_says(&Says { name, schema: &schema, ..CONSTRAINT }).build()
}

pub(crate) fn alternatives_bomb(name: &str) -> Vec<u8> {
    let alternatives = format!(r#"{}{{"const":2}}"#, r#"{"const":1},"#.repeat(2_000));
    let values = vec!["2"; 10_000].join(",");
    let schema = format!(
        r#"{{"type":"object","properties":{{"a":{{"items":{{"anyOf":[{alternatives}]}},"default":[{values}]}}}}}}"#
    );
    Fixture::constraint_that_says(&Says { name, schema: &schema, ..CONSTRAINT }).build()
}

pub(crate) fn custom_section_bloat(name: &str) -> Vec<u8> {
    let section = [&b"\x05bloat"[..], &vec![b'x'; 10 << 20]].concat();
    (0..3)
        .fold(Fixture::constraint_named(name).build(), |component, _| with_section(component, CUSTOM_SECTION, &section))
}
