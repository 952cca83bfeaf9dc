//! The shape of one function: what makes it expensive to compile. Whether it is valid is checked in `screen`.

use wasmparser::{FunctionBody, Operator};

use super::{limits::PluginLimits, rejection::Rejection, screen::within};

/// Checks a function body against the limits. `number` counts the functions of the component from 1 and names the place.
///
/// # Errors
/// The outer error is a crossed limit, the inner one a body that cannot be read.
pub fn check_function(
    body: &FunctionBody<'_>,
    number: usize,
    limits: &PluginLimits,
) -> Result<wasmparser::Result<()>, Rejection> {
    let range = body.range();
    let bytes = range.end - range.start;
    let limit = limits.function_body_bytes_max;
    within(&format!("the size of function {number} in bytes"), bytes, limit, "function_body_bytes_max")?;
    match Shape::of(body) {
        Ok(shape) => shape.check(number, limits).map(Ok),
        Err(error) => Ok(Err(error)),
    }
}

#[derive(Debug, Default)]
struct Shape {
    locals: u64,
    loops: u64,
    block_depth: usize,
    loop_depth: usize,
}

impl Shape {
    fn of(body: &FunctionBody<'_>) -> wasmparser::Result<Self> {
        let mut shape = Self::default();
        for local in body.get_locals_reader()? {
            shape.locals += u64::from(local?.0);
        }
        // One element per open block: whether it is a loop.
        let mut open = Vec::new();
        let mut open_loops = 0;
        for operator in body.get_operators_reader()? {
            match operator? {
                Operator::Loop { .. } => {
                    open.push(true);
                    open_loops += 1;
                    shape.loops += 1;
                }
                Operator::Block { .. } | Operator::If { .. } => open.push(false),
                Operator::End => open_loops -= usize::from(open.pop().unwrap_or(false)),
                _ => continue,
            }
            shape.block_depth = shape.block_depth.max(open.len());
            shape.loop_depth = shape.loop_depth.max(open_loops);
        }
        Ok(shape)
    }

    fn check(&self, number: usize, limits: &PluginLimits) -> Result<(), Rejection> {
        let place = |what: &str| format!("the {what} of function {number}");
        within(&place("block depth"), self.block_depth, limits.block_depth_max, "block_depth_max")?;
        within(&place("loop depth"), self.loop_depth, limits.loop_depth_max, "loop_depth_max")?;
        within_u64(place("number of locals"), self.locals, limits.locals_per_function_max, "locals_per_function_max")?;
        let product = self.locals.saturating_mul(self.loops);
        within_u64(place("locals times loops"), product, limits.locals_times_loops_max, "locals_times_loops_max")
    }
}

fn within_u64(what: String, value: u64, limit: u64, name: &'static str) -> Result<(), Rejection> {
    if value <= limit { Ok(()) } else { Err(Rejection::PastLimit { what, value, limit, name }) }
}
