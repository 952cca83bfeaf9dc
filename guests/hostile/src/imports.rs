//! Judges that ask for what is outside of the sandbox, and veto if they are shown any of it.
//!
//! What a guest compares with comes as the first driver of the race: the time of day, or the port that it is to connect to.

use crate::fixture::{Fixture, LISTS, ok_list};

/// Address at which imports put what they return.
const ANSWER: u32 = 4096;

/// A judge that imports something and gives every scenario the verdict of this expression.
struct Curious {
    /// WIT of the package.
    package: &'static str,
    /// The interfaces to import.
    interfaces: &'static [&'static str],
    /// Imports of the core module.
    imports: &'static str,
    /// An expression: 1 where it saw something, else 0.
    verdict: String,
}

impl Curious {
    fn build(self, name: &str) -> Vec<u8> {
        let mut fixture = Fixture::constraint_named(name);
        fixture.imports = self.imports.to_owned();
        fixture.packages = vec![self.package];
        fixture.items = "(global $first (mut i32) (i32.const 0))".to_owned();
        fixture.open = format!("(global.set $first (i32.load (local.get 2))) {}", fixture.open);
        let list = ok_list(&format!("(i32.const {LISTS})"), "(local.get 1)");
        let fill = format!("(memory.fill (i32.const {LISTS}) {} (local.get 1))", self.verdict);
        let imports: String = self.interfaces.iter().map(|name| format!("import {name}; ")).collect();
        fixture.with("scenario-judge.judge", format!("{fill} {list}")).build_importing(&imports)
    }
}

const CLI: &str = "package wasi:cli@0.2.0;
    interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
    }";

/// Calls a function that returns a list, and says whether there is anything in it.
fn is_any(function: &str) -> String {
    format!(
        "(block (result i32) (call {function} (i32.const {ANSWER}))
           (i32.ne (i32.const 0) (i32.load offset=4 (i32.const {ANSWER}))))"
    )
}

pub(crate) fn environment(name: &str) -> Vec<u8> {
    let curious = Curious {
        package: CLI,
        interfaces: &["wasi:cli/environment@0.2.0"],
        imports: r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $ask (param i32)))"#,
        verdict: is_any("$ask"),
    };
    curious.build(name)
}

pub(crate) fn arguments(name: &str) -> Vec<u8> {
    let curious = Curious {
        package: CLI,
        interfaces: &["wasi:cli/environment@0.2.0"],
        imports: r#"(import "wasi:cli/environment@0.2.0" "get-arguments" (func $ask (param i32)))"#,
        verdict: is_any("$ask"),
    };
    curious.build(name)
}

/// Vetoes where the clock is within a day of the real time.
pub(crate) fn wall_clock(name: &str) -> Vec<u8> {
    let passed = format!(
        "(i64.sub (i64.load (i32.const {ANSWER})) (i64.sub (i64.extend_i32_u (global.get $first)) (i64.const 86400)))"
    );
    let curious = Curious {
        package: "package wasi:clocks@0.2.0;
            interface wall-clock {
                record datetime { seconds: u64, nanoseconds: u32 }
                now: func() -> datetime;
            }",
        interfaces: &["wasi:clocks/wall-clock@0.2.0"],
        imports: r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))"#,
        verdict: format!(
            "(block (result i32) (call $now (i32.const {ANSWER})) (i64.lt_u {passed} (i64.const 172800)))"
        ),
    };
    curious.build(name)
}

/// Shows a bit of what it got: a real source gives another one in every second run.
pub(crate) fn randomness(name: &str) -> Vec<u8> {
    let curious = Curious {
        package: "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }",
        interfaces: &["wasi:random/random@0.2.0"],
        imports: r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#,
        verdict: "(i32.wrap_i64 (i64.and (call $random) (i64.const 1)))".to_owned(),
    };
    curious.build(name)
}

pub(crate) fn files(name: &str) -> Vec<u8> {
    let curious = Curious {
        package: "package wasi:filesystem@0.2.0;
            interface types { resource descriptor; }
            interface preopens {
                use types.{descriptor};
                get-directories: func() -> list<tuple<descriptor, string>>;
            }",
        interfaces: &["wasi:filesystem/preopens@0.2.0"],
        imports: r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $ask (param i32)))"#,
        verdict: is_any("$ask"),
    };
    curious.build(name)
}

/// Vetoes where a connection to 127.0.0.1 was begun.
pub(crate) fn sockets(name: &str) -> Vec<u8> {
    let address = "(i32.const 0) (global.get $first) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)";
    let connect = format!(
        "(call $connect (i32.load offset=4 (i32.const {ANSWER})) (call $network) {address} {} (i32.const {ANSWER}))",
        "(i32.const 0) ".repeat(6)
    );
    let is_ok = format!("(i32.eqz (i32.load8_u (i32.const {ANSWER})))");
    let curious = Curious {
        package: SOCKETS,
        interfaces: &[
            "wasi:sockets/instance-network@0.2.0",
            "wasi:sockets/tcp@0.2.0",
            "wasi:sockets/tcp-create-socket@0.2.0",
        ],
        imports: r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
            (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $socket (param i32 i32)))
            (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-connect" (func $connect
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
        verdict: format!(
            "(block (result i32) (call $socket (i32.const 0) (i32.const {ANSWER}))
               (if (result i32) {is_ok} (then {connect} {is_ok}) (else (i32.const 0))))"
        ),
    };
    curious.build(name)
}

const SOCKETS: &str = "package wasi:sockets@0.2.0;
    interface network {
        resource network;
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
            not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
            remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
        }
        enum ip-address-family { ipv4, ipv6 }
        record ipv4-socket-address { port: u16, address: tuple<u8, u8, u8, u8> }
        record ipv6-socket-address {
            port: u16,
            flow-info: u32,
            address: tuple<u16, u16, u16, u16, u16, u16, u16, u16>,
            scope-id: u32,
        }
        variant ip-socket-address { ipv4(ipv4-socket-address), ipv6(ipv6-socket-address) }
    }
    interface instance-network {
        use network.{network};
        instance-network: func() -> network;
    }
    interface tcp {
        use network.{network, error-code, ip-socket-address};
        resource tcp-socket {
            start-connect: func(network: borrow<network>, remote-address: ip-socket-address) -> result<_, error-code>;
        }
    }
    interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
    }";
