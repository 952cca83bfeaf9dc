//! Uploads that are taken: once per content, under a version whose bytes never change, for their own team only.

use std::path::{Path, PathBuf};

use crate::server::{Server, paddock};

fn component() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/components/constraint-team-limit.wasm")
}

/// The same plugin in other bytes: a component may end with a custom section that means nothing.
fn other_bytes(mut component: Vec<u8>) -> Vec<u8> {
    component.extend_from_slice(b"\x00\x05\x04note");
    component
}

#[test]
fn a_plugin_is_uploaded_once_and_its_version_keeps_its_bytes() {
    let server = Server::start();
    let (ours, theirs) = (server.key("ours", "read,admin"), server.key("theirs", "read,admin"));
    let wasm = std::fs::read(component()).unwrap();
    let first = server.post(&ours, "/v1/plugins", "application/wasm", &wasm);
    assert_eq!((first.status, first.body["is_shared"].as_bool()), (201, Some(false)), "{}", first.body);
    let path = first.location.unwrap();
    let again = server.post(&ours, "/v1/plugins", "application/wasm", &wasm);
    assert_eq!((again.status, &again.body["hash"]), (200, &first.body["hash"]));
    let changed = server.post(&ours, "/v1/plugins", "application/wasm", &other_bytes(wasm));
    assert_eq!((changed.status, changed.code()), (409, "already-exists"), "{}", changed.body);
    assert_eq!(server.get(&ours, &path).body["hash"], first.body["hash"]);

    let disabled = server.post(&ours, &format!("{path}/disable"), "text/plain", b"");
    assert_eq!((disabled.status, disabled.body["is_disabled"].as_bool()), (200, Some(true)));
    // Another team still sees the one that is shipped.
    let shipped = server.get(&theirs, &path);
    assert_eq!((shipped.body["is_shared"].as_bool(), shipped.body["is_disabled"].as_bool()), (Some(true), Some(false)));
}

#[test]
fn plugin_check_describes_what_would_be_taken() {
    let directory = tempfile::tempdir().unwrap();
    let checked = paddock(directory.path()).args(["plugin", "check"]).arg(component()).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.contains("constraint-team-limit@") && told.contains("is a valid constraint"), "{told}");
    assert!(told.contains("judges    lineups") && told.contains("veto 1"), "{told}");
}
