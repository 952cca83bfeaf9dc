//! JSON as a flat list of its leaves, each with its JSON pointer (RFC 6901).

use std::collections::BTreeMap;

use serde_json::Value;

/// Leaves by pointer. Empty lists and objects are leaves too.
pub(super) type Leaves = BTreeMap<String, Value>;

/// The leaves of `value`; elements of lists go by their number.
pub(super) fn by_number(value: &Value) -> Leaves {
    leaves(value, |_| None)
}

/// The leaves of `value`; elements of lists go by what names them, where something does and each has another name. Then a driver
/// is compared with itself, whatever its rank.
pub(super) fn by_name(value: &Value) -> Leaves {
    leaves(value, names_of)
}

fn leaves(value: &Value, names: fn(&[Value]) -> Option<Vec<String>>) -> Leaves {
    let mut found = Leaves::new();
    collect(value, String::new(), names, &mut found);
    found
}

fn collect(value: &Value, pointer: String, names: fn(&[Value]) -> Option<Vec<String>>, found: &mut Leaves) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                collect(field, format!("{pointer}/{}", escaped(name)), names, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let names_of_items = names(items);
            for (index, item) in items.iter().enumerate() {
                let name = names_of_items.as_ref().map_or_else(|| index.to_string(), |names| escaped(&names[index]));
                collect(item, format!("{pointer}/{name}"), names, found);
            }
        }
        leaf => {
            found.insert(pointer, leaf.clone());
        }
    }
}

/// Fields that name the element of a list, and one that tells apart what has the same name.
const NAMES: [&str; 4] = ["driver", "race", "name", "plugin"];
const DETAIL: &str = "reason";

fn names_of(items: &[Value]) -> Option<Vec<String>> {
    let name = |item: &Value| {
        let name = NAMES.iter().find_map(|field| item.get(field)?.as_str())?;
        let detail = item.get(DETAIL).and_then(Value::as_str);
        Some(detail.map_or_else(|| name.to_owned(), |detail| format!("{name} {detail}")))
    };
    let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted.dedup();
    (sorted.len() == names.len()).then_some(names)
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(leaves: &Leaves) -> Vec<&str> {
        leaves.keys().map(String::as_str).collect()
    }

    #[test]
    fn leaves_have_pointers_and_empty_things_are_leaves() {
        let value = json!({ "a/b": [1, { "c~": null }], "empty": [], "none": {} });
        assert_eq!(pointers(&by_number(&value)), ["/a~1b/0", "/a~1b/1/c~0", "/empty", "/none"]);
        assert_eq!(by_number(&json!(7)), Leaves::from([(String::new(), json!(7))]));
    }

    #[test]
    fn elements_go_by_their_names_where_those_tell_them_apart() {
        let named = json!([{ "driver": "Ada Lane", "win": 0.5 }, { "driver": "Bo Quill", "win": 0.1 }]);
        let expected = ["/Ada Lane/driver", "/Ada Lane/win", "/Bo Quill/driver", "/Bo Quill/win"];
        assert_eq!(pointers(&by_name(&named)), expected);
        let detailed =
            json!([{ "plugin": "p", "reason": "x", "count": 1 }, { "plugin": "p", "reason": "y", "count": 2 }]);
        assert!(by_name(&detailed).contains_key("/p y/count"));
        let twice = json!([{ "driver": "Ada Lane" }, { "driver": "Ada Lane" }]);
        assert_eq!(pointers(&by_name(&twice)), ["/0/driver", "/1/driver"]);
    }
}
