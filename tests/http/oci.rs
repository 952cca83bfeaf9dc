//! Plugins in an OCI registry: pushed and pulled by the real binary, pinned by digest, and never other bytes than were asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use tempfile::TempDir;

use crate::{
    server::paddock,
    support::oci::{LOGIN, Registry},
};

fn component(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/components").join(name)
}

/// A directory in which `paddock plugin` is run.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = paddock(self.0.path());
        command.arg("plugin").args(arguments).envs(environment.iter().copied()).output().unwrap()
    }

    /// What it says where it succeeds.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.run_with(arguments, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says where it fails.
    fn fails(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let output = self.run_with(arguments, environment);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(name)).unwrap()
    }

    /// Pushes a component and gives the reference that pins it.
    fn push(&self, name: &str, target: &str) -> String {
        let told = self.run(&["push", component(name).to_str().unwrap(), target]);
        let pinned = told.lines().find_map(|line| line.trim().strip_prefix("pinned")).unwrap();
        pinned.trim().to_owned()
    }
}

#[test]
fn a_plugin_is_pushed_and_pulled_and_a_digest_stays_what_it_was() {
    let Some(registry) = Registry::start() else { return };
    let desk = Desk::new();
    let tag = format!("oci://{}/plugins/rule:1", registry.host);
    let first = desk.push("constraint-team-limit.wasm", &tag);
    assert!(first.contains("/plugins/rule@sha256:"), "{first}");
    assert_eq!(desk.push("constraint-team-limit.wasm", &tag), first, "the same bytes have the same digest");
    let told = desk.run(&["pull", &tag]);
    assert!(told.contains(&first) && told.contains("paddock plugin check rule.wasm"), "{told}");
    let limit = fs::read(component("constraint-team-limit.wasm")).unwrap();
    assert_eq!(desk.file("rule.wasm"), limit);
    assert!(desk.fails(&["pull", &tag], &[]).contains("--output"), "a file that is there is left alone");

    let second = desk.push("constraint-race-physics.wasm", &tag);
    assert_ne!(second, first, "the tag has moved");
    desk.run(&["pull", &tag, "--output", "newest.wasm"]);
    assert_eq!(desk.file("newest.wasm"), fs::read(component("constraint-race-physics.wasm")).unwrap());
    desk.run(&["pull", &first, "--output", "pinned.wasm"]);
    assert_eq!(desk.file("pinned.wasm"), limit);
}

#[test]
fn the_artifact_has_the_layout_that_other_tools_read() {
    let Some(registry) = Registry::start() else { return };
    Desk::new().push("constraint-team-limit.wasm", &format!("oci://{}/rule:1", registry.host));
    let manifest = registry.manifest("rule", "1");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "constraint-team-limit");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let config = fs::read(registry.blob(manifest["config"]["digest"].as_str().unwrap())).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()));
    assert_eq!(config["layerDigests"][0], manifest["layers"][0]["digest"]);
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(exports.contains(&"paddock:plugin/judgement@0.1.0".into()), "{exports:?}");
}

#[test]
fn a_registry_that_gives_other_bytes_is_found_out() {
    let Some(registry) = Registry::start() else { return };
    let desk = Desk::new();
    let pinned = desk.push("constraint-team-limit.wasm", &format!("oci://{}/rule:1", registry.host));
    let layer = registry.blob(registry.manifest("rule", "1")["layers"][0]["digest"].as_str().unwrap());
    let mut bytes = fs::read(&layer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&layer, bytes).unwrap();
    let told = desk.fails(&["pull", &pinned, "--output", "x.wasm"], &[]);
    assert!(told.contains("igest"), "{told}");
    assert!(!desk.0.path().join("x.wasm").exists());

    let manifest = registry.blob(&pinned[pinned.find("sha256:").unwrap()..]);
    let text = fs::read_to_string(&manifest).unwrap().replace("team-limit", "team-limiT");
    fs::write(&manifest, text).unwrap();
    assert!(desk.fails(&["pull", &pinned, "--output", "x.wasm"], &[]).contains("what to do"));
}

#[test]
fn what_is_no_plugin_or_not_there_or_too_large_is_told() {
    let Some(registry) = Registry::start() else { return };
    let desk = Desk::new();
    let target = format!("oci://{}/rule:1", registry.host);
    let text = desk.0.path().join("text.wasm");
    fs::write(&text, "(component)").unwrap();
    assert!(desk.fails(&["push", text.to_str().unwrap(), &target], &[]).contains("text"));
    assert!(desk.fails(&["pull", &target], &[]).contains("check the repository's name"));
    desk.push("constraint-team-limit.wasm", &target);
    let small = [("PADDOCK_PLUGINS__COMPONENT_BYTES_MAX", "1000")];
    assert!(desk.fails(&["pull", &target], &small).contains("component_bytes_max = 1000"));
    let not_oci = desk.run_with(&["pull", "https://example.org/rule:1"], &[]);
    assert!(String::from_utf8(not_oci.stderr).unwrap().contains("oci://HOST/REPOSITORY:TAG"));
}

#[test]
fn a_closed_registry_lets_in_who_has_its_password() {
    let Some(registry) = Registry::start_closed() else { return };
    let desk = Desk::new();
    let target = format!("oci://{}/rule:1", registry.host);
    let file = component("constraint-team-limit.wasm");
    let push = ["push", file.to_str().unwrap(), &target];
    let told = desk.fails(&push, &[]);
    assert!(told.contains("PADDOCK_OCI_USERNAME"), "{told}");
    let login = [("PADDOCK_OCI_USERNAME", LOGIN.0), ("PADDOCK_OCI_PASSWORD", LOGIN.1)];
    let pushed = desk.run_with(&push, &login);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert!(desk.run_with(&["pull", &target], &login).status.success());
}
