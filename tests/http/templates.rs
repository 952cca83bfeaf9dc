//! What `paddock plugin new` makes: each project passes its own test, builds with its language's usual commands, conforms, and its
//! constraint vetoes in a real job. A language whose tools are not here is left out, and said so; with CI set that is a failure.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    season,
    server::{Server, paddock},
};

/// The vetoing parameter of every constraint template, small enough to veto often.
const PARAMS: &str = r#"{"worst_start": 5}"#;

#[test]
fn constraints_of_every_language_conform_and_veto_in_a_job() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start();
    let key = server.key("authors", "read,submit,admin");
    let mut names = Vec::new();
    for language in ["rust", "c", "js", "python"].into_iter().filter(|language| has_tools(language)) {
        let name = format!("front-{language}");
        let component = built(directory.path(), &name, "constraint", language);
        let told = said(paddock(directory.path()).args(["plugin", "run", "--params", PARAMS]).arg(&component));
        assert!(told.contains("winner-from-too-far-back") && !told.contains(" 0.0 %"), "{told}");
        let remote = ["--server", &format!("http://{}", server.address), "--key", &key];
        let pushed = said(paddock(directory.path()).args(["plugin", "push"]).args(remote).arg(&component));
        assert!(pushed.contains(&name), "{pushed}");
        names.push(name);
    }
    let slate = season::import(&server, &key);
    let fitted = season::result(&server, &key, &season::submit(&server, &key, &season::small_fit()));
    let params: Value = serde_json::from_str(PARAMS).unwrap();
    for name in names {
        let scenarios = json!({ "n_scenarios": 200, "constraints": [{ "plugin": name, "params": params }] });
        let spec = json!({
            "kind": "simulate", "model": fitted["model"]["id"], "race": slate["race"], "scenarios": scenarios,
        });
        let result = season::result(&server, &key, &season::submit(&server, &key, &spec));
        assert!(result["simulation"]["vetoed"].as_u64().unwrap() > 0, "{result}");
    }
}

/// Built without stubs, a JavaScript runtime imports WASI: the second tier is for it.
#[test]
fn a_plugin_with_wasi_conforms_where_the_operator_lets_it_in() {
    let directory = tempfile::tempdir().unwrap();
    if !has_tools("js") {
        return;
    }
    built(directory.path(), "with-wasi", "constraint", "js");
    let arguments =
        ["componentize-qjs", "--wit", "wit", "--world", "constraint", "--js", "app.js", "--sync", "--output"];
    said(Command::new("npx").args(arguments).arg("wasi.wasm").current_dir(directory.path().join("with-wasi")));
    let check = || {
        let mut check = paddock(directory.path());
        check.args(["plugin", "check", "with-wasi/wasi.wasm", "--json"]);
        check
    };
    let refused: Value = serde_json::from_slice(&check().output().unwrap().stdout).unwrap();
    assert_eq!(refused["problem"]["code"], "component-import-refused");
    let taken: Value = serde_json::from_str(&said(check().env("PADDOCK_PLUGINS__WASI", "true"))).unwrap();
    assert_eq!((&taken["passed"], &taken["uses_wasi"]), (&json!(true), &json!(true)), "{taken}");
}

#[test]
fn generators_and_calibrators_conform() {
    let directory = tempfile::tempdir().unwrap();
    for language in ["rust", "c", "js"].into_iter().filter(|language| has_tools(language)) {
        for world in ["generator", "calibrator"] {
            built(directory.path(), &format!("own-{world}-{language}"), world, language);
        }
    }
}

#[test]
fn generators_and_calibrators_in_python_conform() {
    let directory = tempfile::tempdir().unwrap();
    for world in ["generator", "calibrator"].into_iter().filter(|_| has_tools("python")) {
        built(directory.path(), &format!("own-{world}-python"), world, "python");
    }
}

#[test]
fn a_project_is_never_written_over_and_stays_where_it_belongs() {
    let directory = tempfile::tempdir().unwrap();
    let new = |arguments: &[&str]| paddock(directory.path()).args(["plugin", "new"]).args(arguments).output().unwrap();
    assert!(new(&["mine"]).status.success());
    let again = new(&["mine"]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("mine"));
    assert!(!new(&["../up"]).status.success());
}

/// Makes a project, lets it pass its own test, builds it, and checks the component.
fn built(directory: &Path, name: &str, world: &str, language: &str) -> PathBuf {
    let new = ["plugin", "new", name, "--world", world, "--lang", language];
    said(paddock(directory).args(new));
    let project = directory.join(name);
    let component = project.join(format!("{name}.wasm"));
    match language {
        "rust" => build_rust(&project, name, &component),
        "python" => {
            said(Command::new("python3").args(["-m", "unittest"]).current_dir(&project));
            let arguments = ["-d", "wit", "-w", world, "componentize", "--stub-wasi", "app", "-o"];
            said(Command::new("componentize-py").args(arguments).arg(&component).current_dir(&project));
        }
        "js" => {
            said(Command::new("npm").args(["install", "--no-audit", "--no-fund"]).current_dir(&project));
            said(Command::new("npm").arg("test").current_dir(&project));
            said(Command::new("npm").args(["run", "build"]).current_dir(&project));
        }
        _ => {
            let with = format!("PADDOCK={}", env!("CARGO_BIN_EXE_paddock"));
            said(Command::new("make").arg("test").current_dir(&project));
            said(Command::new("make").arg(with).current_dir(&project));
        }
    }
    let checked = said(paddock(directory).args(["plugin", "check", "--json"]).arg(&component));
    let checked: Value = serde_json::from_str(&checked).unwrap();
    let conformance = &checked["conformance"];
    println!("{name}: compiled in {} ms, checked in {} ms", checked["compile_ms"], conformance["wall_ms"]);
    assert_eq!((&checked["passed"], &checked["description"]["name"]), (&json!(true), &json!(name)), "{checked}");
    component
}

fn build_rust(project: &Path, name: &str, component: &Path) {
    // Its own target directory, which later runs find warm.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    let cargo = |arguments: &[&str]| {
        said(Command::new("cargo").args(arguments).env("CARGO_TARGET_DIR", &target).current_dir(project));
    };
    cargo(&["test", "--quiet"]);
    cargo(&["build", "--quiet", "--release", "--target", "wasm32-unknown-unknown"]);
    let module = target.join(format!("wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_")));
    said(paddock(project).args(["plugin", "component"]).arg(module).arg("--out").arg(component));
}

/// Whether the language's tools are here.
fn has_tools(language: &str) -> bool {
    let tools: &[&[&str]] = match language {
        "rust" => &[&["rustc", "--version"]],
        "python" => &[&["componentize-py", "--version"]],
        "js" => &[&["npm", "--version"]],
        _ => &[&["clang", "--version"], &["wasm-ld", "--version"], &["make", "--version"]],
    };
    let is_there =
        |tool: &&[&str]| Command::new(tool[0]).args(&tool[1..]).output().is_ok_and(|ran| ran.status.success());
    let are_there = tools.iter().all(is_there) && (language != "rust" || has_wasm_target());
    assert!(are_there || std::env::var_os("CI").is_none(), "the tools of {language} are not here");
    if !are_there {
        eprintln!("left out: the tools of {language} are not here");
    }
    are_there
}

fn has_wasm_target() -> bool {
    let sysroot = said(Command::new("rustc").args(["--print", "sysroot"]));
    Path::new(sysroot.trim()).join("lib/rustlib/wasm32-unknown-unknown").is_dir()
}

/// What a command prints, where it succeeds.
fn said(command: &mut Command) -> String {
    let ran = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "{command:?}\n{}\n{}", told(&ran.stdout), told(&ran.stderr));
    told(&ran.stdout)
}
