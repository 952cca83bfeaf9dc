//! Uploads that are something else than they seem, and sections behind an honest component's own.

/// The head of what the engine's own compiler writes: machine code for whoever deserializes it.
pub(crate) fn foreign_engine(_: &str) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\xc8".to_vec();
    file.extend_from_slice(&[0; 4096]);
    file.extend_from_slice(b".wasmtime.engine\0.wasmtime.bti\0.text\0");
    file
}

pub(crate) fn machine_code_inside(_: &str) -> Vec<u8> {
    [&HEADER[..], &foreign_engine("")].concat()
}

/// Components inside an honest constraint: the index of the first one behind them.
pub(crate) const COMPONENTS: usize = 2;

/// A component with the sections of this text behind its own. Its text counts from where the component's own items end.
pub(crate) fn with_sections(mut component: Vec<u8>, text: &str) -> Vec<u8> {
    let more = wat::parse_str(format!("(component {text})")).unwrap_or_else(|error| panic!("{error}"));
    component.extend_from_slice(&more[HEADER_BYTES..]);
    component
}

/// A component with another section of this kind behind its own.
pub(crate) fn with_section(mut component: Vec<u8>, kind: u8, body: &[u8]) -> Vec<u8> {
    component.push(kind);
    component.extend(leb128(body.len()));
    component.extend_from_slice(body);
    component
}

/// Magic, version and layer of a component.
pub(crate) const HEADER: [u8; HEADER_BYTES] = *b"\0asm\x0d\0\x01\0";
const HEADER_BYTES: usize = 8;

/// A number as WebAssembly writes it: seven bits to a byte, the lowest first.
pub(crate) fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
