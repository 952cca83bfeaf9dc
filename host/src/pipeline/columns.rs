//! Large results as Arrow IPC files, so that pandas, polars and R read them with one call. It knows formats, not stores.

use std::{collections::HashMap, io::Cursor, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, UInt8Array, UInt16Array, UInt32Array,
    cast::AsArray,
    types::{Float64Type, UInt8Type, UInt16Type},
};
use arrow_ipc::{reader::FileReader, writer::FileWriter};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use bytes::Bytes;

use crate::domain::{
    model::{Parameter, Posterior},
    scenario::ScenarioBlock,
};

/// Bytes that are not what they should be. The artifact store has checked their hash, so they were written wrong: a defect of
/// paddock or an artifact of another kind.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// Not an Arrow IPC file, or one that breaks off.
    #[error("the artifact is not a readable Arrow IPC file: {0}")]
    Arrow(#[from] ArrowError),
    /// An Arrow IPC file of another kind.
    #[error("the artifact does not hold {expected}: {what}")]
    Foreign {
        /// What was expected.
        expected: &'static str,
        /// What is missing or wrong.
        what: String,
    },
}

/// Writes a posterior: one row per draw, grouped by chain; a column `chain`, then one column per scalar of the layout, named
/// `log_sd_driver`, `driver[12]` or `driver_group[12,3]`. Layout, driver and team names are in the schema's metadata.
///
/// # Errors
/// [`ColumnsError::Foreign`] where the posterior's shape is inconsistent.
pub fn encode_posterior(posterior: &Posterior) -> Result<Bytes, ColumnsError> {
    let columns = posterior.columns();
    let is_consistent = posterior.values.len() == posterior.draws * columns
        && posterior.chains > 0
        && posterior.draws.is_multiple_of(posterior.chains);
    if !is_consistent {
        return Err(foreign("a posterior", format!("{} values for {} draws", posterior.values.len(), posterior.draws)));
    }
    let draws_per_chain = (posterior.draws / posterior.chains).max(1);
    let mut fields = vec![Field::new("chain", DataType::UInt16, false)];
    let chain = (0..posterior.draws).map(|draw| (draw / draws_per_chain) as u16);
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(UInt16Array::from_iter_values(chain))];
    for (column, name) in scalar_names(&posterior.parameters).into_iter().enumerate() {
        fields.push(Field::new(name, DataType::Float64, false));
        let values = (0..posterior.draws).map(|draw| posterior.values[draw * columns + column]);
        arrays.push(Arc::new(Float64Array::from_iter_values(values)));
    }
    write(Schema::new_with_metadata(fields, posterior_metadata(posterior)), arrays)
}

/// Reads what [`encode_posterior`] wrote.
///
/// # Errors
/// [`ColumnsError`] where the bytes are something else.
pub fn decode_posterior(bytes: &Bytes) -> Result<Posterior, ColumnsError> {
    const EXPECTED: &str = "a posterior";
    let (schema, batch) = read(bytes)?;
    let mut posterior = Posterior {
        layout: metadata(&schema, EXPECTED, "paddock.layout")?,
        parameters: metadata::<Vec<Parameter>>(&schema, EXPECTED, "paddock.parameters")?,
        drivers: metadata(&schema, EXPECTED, "paddock.drivers")?,
        teams: metadata(&schema, EXPECTED, "paddock.teams")?,
        chains: metadata(&schema, EXPECTED, "paddock.chains")?,
        draws: batch.num_rows(),
        values: Vec::new(),
    };
    let columns = posterior.columns();
    if batch.num_columns() != columns + 1 {
        return Err(foreign(EXPECTED, format!("{} columns for {columns} parameters", batch.num_columns())));
    }
    posterior.values = vec![0.0; posterior.draws * columns];
    for column in 0..columns {
        let array = batch
            .column(column + 1)
            .as_primitive_opt::<Float64Type>()
            .ok_or_else(|| foreign(EXPECTED, format!("column {column} is not of doubles")))?;
        for (draw, value) in array.values().iter().enumerate() {
            posterior.values[draw * columns + column] = *value;
        }
    }
    Ok(posterior)
}

/// Writes scenarios in long form: one row per (scenario, entry).
///
/// # Errors
/// [`ColumnsError::Arrow`] where the columns differ in length.
pub fn encode_scenarios(block: &ScenarioBlock) -> Result<Bytes, ColumnsError> {
    let rows = block.scenarios * block.entries;
    let entries = block.entries.max(1);
    let fields = vec![
        Field::new("scenario", DataType::UInt32, false),
        Field::new("entry", DataType::UInt16, false),
        Field::new("finish", DataType::UInt16, false),
        Field::new("laps_led", DataType::UInt16, false),
        Field::new("fastest_laps", DataType::UInt16, false),
        Field::new("laps_completed", DataType::UInt16, false),
        Field::new("retired", DataType::UInt8, false),
    ];
    let shape = [("paddock.scenarios", block.scenarios), ("paddock.entries", block.entries)];
    let metadata = shape.map(|(key, size)| (key.to_owned(), size.to_string()));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values((0..rows).map(|row| (row / entries) as u32))),
        Arc::new(UInt16Array::from_iter_values((0..rows).map(|row| (row % entries) as u16))),
        Arc::new(UInt16Array::from(block.finish.clone())),
        Arc::new(UInt16Array::from(block.laps_led.clone())),
        Arc::new(UInt16Array::from(block.fastest_laps.clone())),
        Arc::new(UInt16Array::from(block.laps_completed.clone())),
        Arc::new(UInt8Array::from(block.retired.clone())),
    ];
    write(Schema::new_with_metadata(fields, HashMap::from(metadata)), arrays)
}

/// Reads what [`encode_scenarios`] wrote.
///
/// # Errors
/// [`ColumnsError`] where the bytes are something else.
pub fn decode_scenarios(bytes: &Bytes) -> Result<ScenarioBlock, ColumnsError> {
    const EXPECTED: &str = "scenarios";
    let (schema, batch) = read(bytes)?;
    let scenarios: usize = metadata(&schema, EXPECTED, "paddock.scenarios")?;
    let entries: usize = metadata(&schema, EXPECTED, "paddock.entries")?;
    if batch.num_rows() != scenarios * entries {
        return Err(foreign(EXPECTED, format!("{} rows", batch.num_rows())));
    }
    let numbers = |name: &str| -> Result<Vec<u16>, ColumnsError> {
        let array = batch.column_by_name(name).and_then(|array| array.as_primitive_opt::<UInt16Type>());
        array.map(|array| array.values().to_vec()).ok_or_else(|| foreign(EXPECTED, format!("no column `{name}`")))
    };
    let retired = batch.column_by_name("retired").and_then(|array| array.as_primitive_opt::<UInt8Type>());
    Ok(ScenarioBlock {
        scenarios,
        entries,
        finish: numbers("finish")?,
        laps_led: numbers("laps_led")?,
        fastest_laps: numbers("fastest_laps")?,
        laps_completed: numbers("laps_completed")?,
        retired: retired.ok_or_else(|| foreign(EXPECTED, "no column `retired`".to_owned()))?.values().to_vec(),
    })
}

/// The name of every scalar of a layout, in column order.
#[must_use]
pub fn scalar_names(parameters: &[Parameter]) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in parameters {
        for offset in 0..parameter.columns() {
            names.push(scalar_name(parameter, offset));
        }
    }
    names
}

/// `driver_group[12,3]` for offset 12 * size + 3 of a matrix; the bare name for a scalar.
fn scalar_name(parameter: &Parameter, offset: usize) -> String {
    let mut rest = offset;
    let mut indices = Vec::with_capacity(parameter.shape.len());
    for &size in parameter.shape.iter().rev() {
        let size = size.max(1) as usize;
        indices.push((rest % size).to_string());
        rest /= size;
    }
    indices.reverse();
    if indices.is_empty() { parameter.name.clone() } else { format!("{}[{}]", parameter.name, indices.join(",")) }
}

fn posterior_metadata(posterior: &Posterior) -> HashMap<String, String> {
    [
        ("paddock.layout", serde_json::json!(posterior.layout)),
        ("paddock.parameters", serde_json::json!(posterior.parameters)),
        ("paddock.drivers", serde_json::json!(posterior.drivers)),
        ("paddock.teams", serde_json::json!(posterior.teams)),
        ("paddock.chains", serde_json::json!(posterior.chains)),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_string()))
    .into()
}

fn metadata<T: serde::de::DeserializeOwned>(
    schema: &Schema,
    expected: &'static str,
    key: &str,
) -> Result<T, ColumnsError> {
    let text = schema.metadata().get(key).ok_or_else(|| foreign(expected, format!("no metadata `{key}`")))?;
    serde_json::from_str(text).map_err(|error| foreign(expected, format!("metadata `{key}`: {error}")))
}

fn foreign(expected: &'static str, what: String) -> ColumnsError {
    ColumnsError::Foreign { expected, what }
}

fn write(schema: Schema, arrays: Vec<ArrayRef>) -> Result<Bytes, ColumnsError> {
    let schema = Arc::new(schema);
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    let mut writer = FileWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    Ok(Bytes::from(writer.into_inner()?))
}

/// The one batch of a file that [`write`] made.
fn read(bytes: &Bytes) -> Result<(Arc<Schema>, RecordBatch), ColumnsError> {
    let mut reader = FileReader::try_new(Cursor::new(bytes), None)?;
    let schema = reader.schema();
    match (reader.next().transpose()?, reader.next()) {
        (Some(batch), None) => Ok((schema, batch)),
        _ => Err(foreign("one record batch", "there are none or several".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posterior() -> Posterior {
        let parameter = |name: &str, shape: &[u32]| Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            is_main: shape.is_empty(),
        };
        Posterior {
            layout: "test/1".to_owned(),
            parameters: vec![parameter("log_sd", &[]), parameter("effect", &[2, 3])],
            drivers: vec!["Ada".to_owned(), "Bo".to_owned()],
            teams: vec!["Red".to_owned()],
            chains: 2,
            draws: 4,
            values: (0..28).map(|value| f64::from(value) / 3.0).collect(),
        }
    }

    #[test]
    fn a_posterior_survives_the_round_trip_bit_for_bit() {
        let posterior = posterior();
        let bytes = encode_posterior(&posterior).unwrap();
        assert_eq!(decode_posterior(&bytes).unwrap(), posterior);
        assert_eq!(encode_posterior(&posterior).unwrap(), bytes, "the same posterior must hash alike");
    }

    #[test]
    fn scalars_are_named_by_their_place_in_the_block() {
        let names = scalar_names(&posterior().parameters);
        assert_eq!(names[0], "log_sd");
        assert_eq!(names[1], "effect[0,0]");
        assert_eq!(names[6], "effect[1,2]");
    }

    #[test]
    fn scenarios_survive_the_round_trip() {
        let block = ScenarioBlock {
            scenarios: 2,
            entries: 3,
            finish: vec![1, 2, 3, 3, 2, 1],
            laps_led: vec![10, 0, 0, 4, 6, 0],
            fastest_laps: vec![1, 2, 3, 4, 0, 0],
            laps_completed: vec![10; 6],
            retired: vec![0, 0, 1, 1, 0, 0],
        };
        assert_eq!(decode_scenarios(&encode_scenarios(&block).unwrap()).unwrap(), block);
    }

    #[test]
    fn one_kind_of_artifact_is_not_taken_for_the_other() {
        let posterior = encode_posterior(&posterior()).unwrap();
        assert!(matches!(decode_scenarios(&posterior), Err(ColumnsError::Foreign { .. })));
        assert!(matches!(decode_posterior(&Bytes::from_static(b"nonsense")), Err(ColumnsError::Arrow(_))));
    }
}
