//! Flame graphs: a box per function, as wide as the share of samples it was seen in, on top of its caller. One SVG image without
//! scripts; the full name and the share show when the pointer rests on a box.

use std::{collections::BTreeMap, fmt::Write as _};

const WIDTH: f64 = 1200.0;
const ROW_HEIGHT: f64 = 18.0;
/// Boxes narrower than this are left out.
const BOX_MIN: f64 = 0.5;
/// Width of a letter, about.
const LETTER: f64 = 7.0;

/// A function in the context of its callers.
#[derive(Default)]
struct Node {
    samples: u64,
    callees: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, stack: &[String], samples: u64) {
        self.samples += samples;
        if let Some((function, rest)) = stack.split_first() {
            self.callees.entry(function.clone()).or_default().add(rest, samples);
        }
    }

    fn depth(&self) -> usize {
        1 + self.callees.values().map(Self::depth).max().unwrap_or(0)
    }
}

/// The image of stacks, outermost function first, each with how often it was seen.
#[must_use]
pub fn flame_graph(title: &str, stacks: &[(Vec<String>, u64)]) -> String {
    let mut root = Node::default();
    for (stack, samples) in stacks {
        root.add(stack, *samples);
    }
    let height = float(root.depth()) * ROW_HEIGHT + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><text x=\"6\" y=\"18\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    draw(&mut svg, "all", &root, Place { x: 0.0, y: height - ROW_HEIGHT - 4.0, width: WIDTH }, root.samples.max(1));
    svg.push_str("</svg>\n");
    svg
}

#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
}

fn draw(svg: &mut String, name: &str, node: &Node, place: Place, all: u64) {
    let Place { x, y, width } = place;
    if width < BOX_MIN {
        return;
    }
    let share = 100.0 * ratio(node.samples, all);
    let letters = name.chars().take(floor(width / LETTER)).collect::<String>();
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        "<g><title>{} ({} samples, {share:.1} %)</title><rect x=\"{x:.2}\" y=\"{y:.1}\" width=\"{:.2}\" height=\"{:.1}\" \
         fill=\"{}\" rx=\"1\"/><text x=\"{:.2}\" y=\"{:.1}\">{}</text></g>",
        escaped(name),
        node.samples,
        (width - 0.5).max(BOX_MIN / 2.0),
        ROW_HEIGHT - 1.0,
        colour(name),
        x + 3.0,
        y + 12.5,
        escaped(&letters)
    );
    let mut x = x;
    for (name, callee) in &node.callees {
        let width = width * ratio(callee.samples, node.samples.max(1));
        draw(svg, name, callee, Place { x, y: y - ROW_HEIGHT, width }, all);
        x += width;
    }
}

/// The same warm colour for the same name.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(17_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    format!("rgb({},{},{})", 205 + hash % 50, 90 + hash / 50 % 130, hash / 6_500 % 55)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[expect(clippy::cast_precision_loss, reason = "a picture needs no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "a picture needs no more than 53 bits")]
const fn float(value: usize) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width in letters, not below 0")]
const fn floor(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str]) -> Vec<String> {
        functions.iter().map(|&function| function.to_owned()).collect()
    }

    #[test]
    fn a_box_is_as_wide_as_its_share_and_names_cannot_break_out() {
        let stacks = [(stack(&["judge", "Vec<u8>::push"]), 3), (stack(&["judge"]), 1), (stack(&["open"]), 4)];
        let svg = flame_graph("a & b", &stacks);
        assert!(svg.contains("<title>judge (4 samples, 50.0 %)</title>"), "{svg}");
        assert!(svg.contains("<title>Vec&lt;u8&gt;::push (3 samples, 37.5 %)</title>"), "{svg}");
        assert!(svg.contains("a &amp; b"));
        assert_eq!(svg.matches("<rect x=").count(), 4);
    }
}
