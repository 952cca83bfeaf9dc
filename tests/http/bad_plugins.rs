//! Uploads that are no plugins: each is answered with what is wrong with it, and nothing is stored.

use std::process::Output;

use crate::server::{Server, paddock};

/// An empty component: valid, but of no world.
fn of_no_world() -> Vec<u8> {
    wat::parse_str("(component)").unwrap()
}

fn bad_uploads() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let component = of_no_world();
    let with_import = wat::parse_str(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#).unwrap();
    vec![
        ("nothing", Vec::new(), "component-empty"),
        ("no WebAssembly", b"\x7fELF and so on".to_vec(), "component-is-precompiled"),
        ("something else", b"PK\x03\x04 zip".to_vec(), "component-not-wasm"),
        ("text", b"(component)".to_vec(), "component-is-text"),
        ("a core module", wat::parse_str("(module)").unwrap(), "component-is-core-module"),
        ("a truncated component", component[..component.len().min(6)].to_vec(), "component-truncated"),
        ("another world", component, "component-other-world"),
        ("an import that is not offered", with_import, "component-import-refused"),
    ]
}

#[test]
fn what_is_no_plugin_is_refused_by_name_and_not_stored() {
    let server = Server::start();
    let key = server.key("ours", "read,admin");
    let before = server.get(&key, "/v1/plugins").body;
    for (what, bytes, code) in bad_uploads() {
        let answer = server.post(&key, "/v1/plugins", "application/wasm", &bytes);
        assert_eq!((answer.status, answer.code()), (422, code), "{what}: {}", answer.body);
        assert!(answer.body["action"].as_str().is_some_and(|action| !action.is_empty()), "{what}");
    }
    let import = server.post(&key, "/v1/plugins", "application/wasm", &bad_uploads().pop().unwrap().1);
    assert!(import.body["detail"].as_str().unwrap().contains("wasi:clocks/wall-clock@0.2.0"), "{}", import.body);
    let octets = server.post(&key, "/v1/plugins", "application/octet-stream", &of_no_world());
    assert_eq!(octets.verdict(), (415, "unsupported-media-type", Some("Content-Type")));
    assert_eq!(server.get(&key, "/v1/plugins").body, before);
}

#[test]
fn only_a_key_with_the_scope_admin_may_bring_code() {
    let server = Server::start();
    let key = server.key("ours", "read,submit");
    let answer = server.post(&key, "/v1/plugins", "application/wasm", &of_no_world());
    assert_eq!((answer.status, answer.code()), (403, "missing-scope"));
}

fn check(bytes: &[u8]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plugin.wasm");
    std::fs::write(&file, bytes).unwrap();
    paddock(directory.path()).args(["plugin", "check"]).arg(&file).output().unwrap()
}

#[test]
fn plugin_check_says_what_the_server_would_say() {
    let refused = check(&of_no_world());
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("another world") && told.contains("what to do"), "{told}");
}
