//! Builds the binary again where the files that it embeds have changed; the compiler sees single files only.

fn main() {
    for directory in ["../guests/templates", "../guests/sdk/src"] {
        println!("cargo::rerun-if-changed={directory}");
    }
}
