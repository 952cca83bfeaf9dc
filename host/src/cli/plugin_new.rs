//! `paddock plugin new`: makes a project for a new plugin. The templates are part of the binary; so are the contract and the Rust SDK,
//! which come along, so that a project needs nothing of this repository.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use include_dir::{Dir, include_dir};

/// The plugin contract.
pub const CONTRACT: &str = include_str!("../../../wit/paddock-plugin.wit");

/// `LANG/common` and `LANG/WORLD`.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guests/templates");
/// The Rust SDK's sources.
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guests/sdk/src");

/// Files whose names would mean something to cargo or npm in this repository carry this ending, which is taken off.
const TEMPLATE_ENDING: &str = ".template";

/// What the new plugin does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewWorld {
    /// Vetoes scenarios or lineups.
    Constraint,
    /// Draws scenarios from a model.
    Generator,
    /// Fits a model to past races.
    Calibrator,
}

/// What it is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with the SDK.
    Rust,
    /// Python, built by componentize-py.
    Python,
    /// JavaScript, built by jco.
    Js,
    /// C, built by clang.
    C,
}

/// What to make.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the plugin and of its directory, `[a-z][a-z0-9-]{0,63}`.
    #[arg(value_parser = plugin_name)]
    name: String,
    /// What it does.
    #[arg(long, value_enum, default_value_t = NewWorld::Constraint)]
    world: NewWorld,
    /// What it is written in.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Directory to make it in.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl NewWorld {
    /// The name used in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Constraint => "constraint",
            Self::Generator => "generator",
            Self::Calibrator => "calibrator",
        }
    }
}

impl Language {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Js => "js",
            Self::C => "c",
        }
    }
}

/// Makes the project and says how to go on.
///
/// # Errors
/// Where the directory is there already or cannot be written.
pub fn run(args: &NewArgs) -> Result<()> {
    let project = args.dir.join(&args.name);
    let (language, world) = (args.lang.as_str(), args.world.as_str());
    let template = |part: &str| TEMPLATES.get_dir(format!("{language}/{part}")).context("the templates are incomplete");
    let (common, own) = (template("common")?, template(world)?);
    fs::create_dir(&project).with_context(|| format!("cannot make {}", project.display()))?;
    write_template(common, &project, args)?;
    write_template(own, &project, args)?;
    write_file(&project.join("wit/paddock-plugin.wit"), CONTRACT.as_bytes())?;
    if args.lang == Language::Rust {
        copy(&SDK, SDK.path(), &project.join("vendor/sdk/src"), &<[u8]>::to_vec)?;
    }
    println!(
        "{} is a {world} in {language}; {}/README.md says how to build and check it",
        args.name,
        project.display()
    );
    Ok(())
}

fn write_template(template: &Dir<'_>, project: &Path, args: &NewArgs) -> Result<()> {
    let filled = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let text = text.replace("{{name}}", &args.name).replace("{{crate}}", &args.name.replace('-', "_"));
        text.replace("{{world}}", args.world.as_str()).into_bytes()
    };
    copy(template, template.path(), project, &filled)
}

/// Copies the files of a directory and of those below it.
fn copy(from: &Dir<'_>, root: &Path, to: &Path, change: &dyn Fn(&[u8]) -> Vec<u8>) -> Result<()> {
    for file in from.files() {
        let place = to.join(file.path().strip_prefix(root)?);
        let place = place.to_string_lossy();
        write_file(Path::new(place.trim_end_matches(TEMPLATE_ENDING)), &change(file.contents()))?;
    }
    from.dirs().try_for_each(|directory| copy(directory, root, to, change))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        // Never over a file that is there: two templates must not have the same file.
        fs::File::create_new(path)?.write_all(bytes)
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Names that every language's build takes.
fn plugin_name(text: &str) -> Result<String, String> {
    let is_name = (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("expected [a-z][a-z0-9-]{0,63}, for example front-row-winners".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_a_template_of_every_world() {
        for language in [Language::Rust, Language::Python, Language::Js, Language::C] {
            let language = language.as_str();
            assert!(TEMPLATES.get_dir(format!("{language}/common")).is_some(), "{language}");
            for world in [NewWorld::Constraint, NewWorld::Generator, NewWorld::Calibrator] {
                assert!(TEMPLATES.get_dir(format!("{language}/{}", world.as_str())).is_some(), "{language}");
            }
        }
    }

    #[test]
    fn names_that_no_build_takes_are_refused() {
        assert!(plugin_name("front-row-2").is_ok() && plugin_name(&"a".repeat(64)).is_ok());
        for name in ["", "2fast", "Front", "a_b", "../up", &"a".repeat(65)] {
            assert!(plugin_name(name).is_err(), "{name}");
        }
    }

    /// The vendored SDK is built from its own manifest, which must ask for what the SDK's does.
    #[test]
    fn the_vendored_sdk_depends_on_what_the_sdk_depends_on() {
        let dependencies = |manifest: &str| -> Vec<String> {
            let lines = manifest.lines().skip_while(|line| *line != "[dependencies]");
            lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        let own = include_str!("../../../guests/sdk/Cargo.toml");
        let vendored = include_str!("../../../guests/templates/rust/common/vendor/sdk/Cargo.toml.template");
        assert_eq!(dependencies(own), dependencies(vendored));
    }
}
