//! Compiled code on disk: used where it is whole and ours, made again where it is not.

use std::{fs, path::PathBuf};

use paddock::plugins::{Outcome, PluginLimits, PluginRuntime, hash_of};

use crate::{
    fixture::{CONSTRAINT, Fixture, Says},
    room::{MAC_KEY, Room, runtime_in},
};

fn files(room: &Room) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(room.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Whether a new runtime over the same directory finds the compiled code.
fn is_found(runtime: &PluginRuntime, wasm: &[u8]) -> bool {
    runtime.admit(wasm).unwrap().compile_ms == 0.0
}

#[test]
fn compiled_code_outlives_the_process_that_made_it() {
    let room = Room::new();
    let wasm = Fixture::constraint().build();
    assert!(!is_found(&room.runtime, &wasm));
    assert!(is_found(&room.runtime, &wasm));
    assert!(is_found(&runtime_in(&room.directory, MAC_KEY, PluginLimits::default()), &wasm));
    assert_eq!(files(&room).len(), 1);
}

#[test]
fn a_changed_torn_or_foreign_file_is_never_loaded() {
    let room = Room::new();
    let wasm = Fixture::constraint().build();
    room.admit(&wasm);
    let path = files(&room).remove(0);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for broken in [flipped, whole[..whole.len() - 1].to_vec(), whole[..20].to_vec(), Vec::new()] {
        fs::write(&path, &broken).unwrap();
        assert!(!is_found(&room.runtime, &wasm), "{} bytes", broken.len());
        assert_eq!(fs::read(&path).unwrap().len(), whole.len(), "it is made again");
    }
    let other_key = runtime_in(&room.directory, [8; 32], PluginLimits::default());
    assert!(!is_found(&other_key, &wasm));
}

#[test]
fn a_whole_file_cannot_stand_in_for_another_component() {
    let room = Room::new();
    let (one, other) = (Fixture::constraint().build(), Fixture::generator().build());
    room.admit(&one);
    let of_one = files(&room).remove(0);
    let name = of_one.file_name().unwrap().to_str().unwrap().replace(&hash_of(&one), &hash_of(&other));
    fs::copy(&of_one, of_one.with_file_name(name)).unwrap();
    assert!(!is_found(&room.runtime, &other));
}

#[test]
fn the_cache_keeps_within_its_size() {
    let one = Fixture::constraint().build();
    let other = Fixture::constraint_that_says(&Says { name: "other", ..CONSTRAINT }).build();
    let first = Room::new();
    first.admit(&one);
    let bytes = fs::metadata(files(&first).remove(0)).unwrap().len();
    let room = Room::with(PluginLimits { cache_bytes_max: bytes + bytes / 2, ..PluginLimits::default() });
    room.admit(&one);
    room.admit(&other);
    assert_eq!(files(&room).len(), 1);
    assert!(is_found(&room.runtime, &other));
}

#[test]
fn a_loaded_plugin_is_remembered_and_wrong_bytes_are_not_loaded() {
    let room = Room::new();
    let wasm = Fixture::constraint().build();
    let hash = room.admit(&wasm).hash;
    let unasked = || -> Result<Vec<u8>, String> { panic!("the bytes are not needed") };
    assert_eq!(room.runtime.load(&hash, unasked).unwrap().hash(), hash);
    let after_a_restart = runtime_in(&room.directory, MAC_KEY, PluginLimits::default());
    assert_eq!(after_a_restart.load(&hash, unasked).unwrap().hash(), hash);
    let other = hash_of(b"something else");
    let failure = room.runtime.load(&other, || Ok::<_, String>(wasm.clone())).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::HostFailed { .. }) && failure.is_retryable());
    let failure = room.runtime.load(&other, || Err::<Vec<u8>, _>("the store is gone")).unwrap_err();
    assert!(failure.to_string().contains("the store is gone"));
}

#[test]
fn a_compiler_that_cannot_be_started_is_the_host_s_failure() {
    let directory = tempfile::tempdir().unwrap();
    let config = paddock::plugins::PluginsConfig {
        cache_dir: directory.path().to_owned(),
        mac_key: MAC_KEY,
        compiler: "/nonexistent/paddock".into(),
        limits: PluginLimits::default(),
    };
    let failure = PluginRuntime::new(config).unwrap().admit(&Fixture::constraint().build()).unwrap_err();
    assert!(matches!(failure.outcome, Outcome::HostFailed { .. }), "{failure}");
}
