//! Tells cargo that the migrations are embedded: a new file there must rebuild the crate.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
