//! Why an upload is not taken as a plugin, as values. What a plugin does when it runs is in `outcome`.

/// Why bytes are not a plugin. Each variant names the place and the value; [`Rejection::action`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing was uploaded.
    #[error("the upload is empty")]
    Empty,
    /// The upload is past the size limit.
    #[error("the component has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Size of the upload.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// WebAssembly text.
    #[error("this is WebAssembly text, not a binary component")]
    Text,
    /// A core module.
    #[error("this is a core WebAssembly module, not a component")]
    CoreModule,
    /// Precompiled machine code, such as a `.cwasm` file.
    #[error("this is precompiled machine code ({format}), which is never run")]
    Precompiled {
        /// What it looks like.
        format: &'static str,
    },
    /// Something else.
    #[error("this is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// The file ends in the middle of something.
    #[error("the component is truncated: it ends at byte {offset} inside {inside}")]
    Truncated {
        /// Where the end was met, in bytes.
        offset: u64,
        /// What was being read.
        inside: String,
    },
    /// The component does not validate, or uses a feature that is off.
    #[error("the component is not valid at byte {offset}: {message}")]
    Invalid {
        /// Where, in bytes.
        offset: u64,
        /// What the validator says.
        message: String,
    },
    /// A limit on the shape of the code.
    #[error("{what} is {value}, the limit is {limit}")]
    PastLimit {
        /// What was counted, with its place.
        what: String,
        /// How many there are.
        value: u64,
        /// The limit.
        limit: u64,
        /// Name of the limit in the configuration.
        name: &'static str,
    },
    /// An import that is not offered.
    #[error("the component imports `{name}`, which is not offered")]
    ForeignImport {
        /// The import's full name.
        name: String,
    },
    /// It exports none of the three worlds.
    #[error("the component targets another world: it lacks {missing}; it exports {exported}")]
    OtherWorld {
        /// The exports that are missing.
        missing: String,
        /// What it exports instead.
        exported: String,
    },
    /// It exports more than one world.
    #[error("the component exports several worlds at once: {exported}")]
    ManyWorlds {
        /// The interfaces that each make a world.
        exported: String,
    },
    /// Names fit but types do not.
    #[error("the component does not fit the contract: {message}")]
    OtherTypes {
        /// What the linker says.
        message: String,
    },
    /// The compiler ran into one of its limits.
    #[error("compiling the component took more than {limit}")]
    CompileLimit {
        /// The limit with its unit.
        limit: String,
        /// Name of the limit in the configuration.
        name: &'static str,
    },
    /// The compiler gave up.
    #[error("the component cannot be compiled: {message}")]
    NotCompilable {
        /// What the compiler says.
        message: String,
    },
    /// Starting the component and asking what it is took too much.
    #[error("saying what it is took more than {limit}")]
    DescribeLimit {
        /// The limit with its unit.
        limit: String,
        /// Name of the limit in the configuration.
        name: &'static str,
    },
    /// What `describe` returned breaks a rule.
    #[error("`describe` returned {field} = {found}; expected {expected}")]
    BadDescription {
        /// The field of the description.
        field: String,
        /// What is there, cut.
        found: String,
        /// What should be there.
        expected: String,
    },
}

impl Rejection {
    /// Stable code of the problem.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "component-empty",
            Self::TooLarge { .. } => "component-too-large",
            Self::Text => "component-is-text",
            Self::CoreModule => "component-is-core-module",
            Self::Precompiled { .. } => "component-is-precompiled",
            Self::NotWasm => "component-not-wasm",
            Self::Truncated { .. } => "component-truncated",
            Self::Invalid { .. } => "component-invalid",
            Self::PastLimit { .. } => "component-past-limit",
            Self::ForeignImport { .. } => "component-import-refused",
            Self::OtherWorld { .. } => "component-other-world",
            Self::ManyWorlds { .. } => "component-many-worlds",
            Self::OtherTypes { .. } => "component-other-types",
            Self::CompileLimit { .. } => "component-compile-limit",
            Self::NotCompilable { .. } => "component-not-compilable",
            Self::DescribeLimit { .. } => "component-describe-limit",
            Self::BadDescription { .. } => "component-bad-description",
        }
    }

    /// What the author can do.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Empty => "Send the component's bytes as the request body.",
            Self::TooLarge { .. } => "Build with optimisation for size and without debug information.",
            Self::Text => "Convert it first: `wasm-tools parse in.wat -o out.wasm`.",
            Self::CoreModule => {
                "Wrap it: `wasm-tools component new module.wasm -o component.wasm`, or build with the SDK."
            }
            Self::Precompiled { .. } => "Upload the component it was compiled from; compiling happens here.",
            Self::NotWasm => "Upload a WebAssembly component (a .wasm file).",
            Self::Truncated { .. } => "Upload the whole file; compare its size with the original.",
            Self::Invalid { .. } => "Rebuild it with `wasm32-unknown-unknown` and check it with `wasm-tools validate`.",
            Self::PastLimit { .. } => "Split or simplify the code, or ask the operator to raise the named limit.",
            Self::ForeignImport { .. } => {
                "Build for `wasm32-unknown-unknown` with the SDK, or with WASI stubbed; the only import offered is `paddock:plugin/log@0.1.0`, and a virtual WASI 0.2 where the operator sets `plugins.wasi`."
            }
            Self::OtherWorld { .. } | Self::OtherTypes { .. } => {
                "Build against wit/paddock-plugin.wit and export the world calibrator, generator or constraint."
            }
            Self::ManyWorlds { .. } => "Make one component per world.",
            Self::CompileLimit { .. } => "Split large functions, or ask the operator to raise the named limit.",
            Self::NotCompilable { .. } => {
                "Check it with `wasm-tools validate`; if it is valid, report it to the operator."
            }
            Self::DescribeLimit { .. } => {
                "Return constants from `describe`, and do no work when the component starts: work belongs in `open`."
            }
            Self::BadDescription { .. } => "Return what the contract asks for in that field.",
        }
    }

    /// The limit that was crossed, where one was, with its name in the configuration.
    #[must_use]
    pub fn limit(&self) -> Option<String> {
        match self {
            Self::TooLarge { limit, .. } => Some(format!("component_bytes_max = {limit}")),
            Self::PastLimit { limit, name, .. } => Some(format!("{name} = {limit}")),
            Self::CompileLimit { limit, name } | Self::DescribeLimit { limit, name } => {
                Some(format!("{name}: {limit}"))
            }
            _ => None,
        }
    }
}
