//! The generator's parameters: one object of shape parameters per track type, every member optional. Turns JSON into a
//! [`Shape`] for the race's track type, and the table of shapes into the JSON Schema that users see.

use paddock_sdk::{Refusal, TrackType};
use serde_json::{Map, Value, json};

use crate::shape::{FIELDS, Shape, key};

/// The shape for `track_type`: the fitted one, with the members that `params` gives put over it.
///
/// # Errors
/// [`Refusal::InvalidParams`] for text that is no object, an unknown name, or a value out of bounds.
pub fn shape_for(params: &str, track_type: TrackType) -> Result<Shape, Refusal> {
    let value: Value = serde_json::from_str(params).map_err(|error| Refusal::InvalidParams(error.to_string()))?;
    let Value::Object(by_track_type) = value else {
        return Err(Refusal::InvalidParams("the parameters must be a JSON object".into()));
    };
    if let Some(name) = by_track_type.keys().find(|name| TrackType::ALL.iter().all(|&known| key(known) != *name)) {
        return Err(Refusal::InvalidParams(format!("{name} is no track type")));
    }
    let mut shape = Shape::fitted(track_type);
    match by_track_type.get(key(track_type)) {
        None => {}
        Some(Value::Object(members)) => overwrite(&mut shape, members)?,
        Some(_) => return Err(Refusal::InvalidParams(format!("{} must be an object", key(track_type)))),
    }
    Ok(shape)
}

fn overwrite(shape: &mut Shape, members: &Map<String, Value>) -> Result<(), Refusal> {
    for (name, value) in members {
        let known = FIELDS.iter().find(|field| field.name == name).zip(shape.field_mut(name));
        let Some((field, place)) = known else {
            return Err(Refusal::InvalidParams(format!("{name} is no shape parameter")));
        };
        match value.as_f64() {
            Some(number) if (field.minimum..=field.maximum).contains(&number) => *place = number,
            _ => {
                let (low, high) = (field.minimum, field.maximum);
                return Err(Refusal::InvalidParams(format!("{name} must be a number in {low}..={high}")));
            }
        }
    }
    Ok(())
}

/// The JSON Schema of the parameters, with the fitted shapes as defaults.
pub fn schema() -> String {
    let members: Map<String, Value> = FIELDS
        .iter()
        .map(|field| {
            let schema = json!({
                "type": "number", "minimum": field.minimum, "maximum": field.maximum, "description": field.summary,
            });
            (field.name.to_owned(), schema)
        })
        .collect();
    let properties: Map<String, Value> = TrackType::ALL
        .iter()
        .map(|&track_type| {
            let description =
                format!("Shape of races at {} tracks; members left out keep their fitted value.", key(track_type));
            let schema = json!({"$ref": "#/$defs/shape", "description": description, "default": fitted(track_type)});
            (key(track_type).to_owned(), schema)
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "$defs": {"shape": {"type": "object", "additionalProperties": false, "properties": members}},
    })
    .to_string()
}

fn fitted(track_type: TrackType) -> Value {
    let mut shape = Shape::fitted(track_type);
    let members = FIELDS.iter().filter_map(|field| Some((field.name.to_owned(), json!(*shape.field_mut(field.name)?))));
    Value::Object(members.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fitted_value_is_within_its_bounds() {
        for track_type in TrackType::ALL {
            let mut shape = Shape::fitted(track_type);
            for field in FIELDS {
                let value = *shape.field_mut(field.name).expect("a field of the table");
                assert!((field.minimum..=field.maximum).contains(&value), "{} at {track_type:?}", field.name);
            }
        }
    }

    #[test]
    fn the_schema_gives_each_track_type_its_fitted_shape_as_default() {
        let schema: Value = serde_json::from_str(&schema()).expect("valid JSON");
        for track_type in TrackType::ALL {
            let default = &schema["properties"][key(track_type)]["default"];
            let params = json!({ key(track_type): default }).to_string();
            assert_eq!(shape_for(&params, track_type), Ok(Shape::fitted(track_type)));
        }
    }

    #[test]
    fn members_left_out_keep_their_fitted_value() {
        let shape = shape_for(r#"{"short": {"retired_share": 0.5}}"#, TrackType::Short).expect("valid");
        assert_eq!(shape, Shape { retired_share: 0.5, ..Shape::fitted(TrackType::Short) });
        let other = shape_for(r#"{"short": {"retired_share": 0.5}}"#, TrackType::Road).expect("valid");
        assert_eq!(other, Shape::fitted(TrackType::Road));
    }

    #[test]
    fn each_bound_holds_on_both_sides() {
        for field in FIELDS {
            let with = |value: f64| shape_for(&json!({"road": {field.name: value}}).to_string(), TrackType::Road);
            assert!(with(field.minimum).is_ok() && with(field.maximum).is_ok(), "{}", field.name);
            assert!(with(field.minimum - 1e-9).is_err() && with(field.maximum + 1e-9).is_err(), "{}", field.name);
        }
    }

    #[test]
    fn unknown_names_and_wrong_types_are_refused_by_name() {
        for (params, named) in [
            ("[]", "object"),
            ("{", "EOF"),
            (r#"{"oval": {}}"#, "oval"),
            (r#"{"road": 3}"#, "road"),
            (r#"{"road": {"speed": 1}}"#, "speed"),
            (r#"{"road": {"led_day": "1"}}"#, "led_day"),
        ] {
            let Err(Refusal::InvalidParams(message)) = shape_for(params, TrackType::Road) else {
                panic!("{params} was taken");
            };
            assert!(message.contains(named), "{message}");
        }
    }
}
