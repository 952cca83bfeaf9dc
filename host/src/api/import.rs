//! What the imports of CSV files share: how a request maps columns, and reading files off the async runtime.

use crate::{
    catalog::{columns::ColumnMap, issue::ImportRejected},
    domain::problem::Problem,
};

use super::error::ApiError;

/// Reads `columns` of the query: a JSON object of header names by what they hold, for example `{"finish": "Fin Pos"}`.
///
/// # Errors
/// `invalid-input` where it is something else, or names a column that no import has.
pub fn column_map(columns: Option<&str>) -> Result<ColumnMap, ApiError> {
    let Some(text) = columns else { return Ok(ColumnMap::default()) };
    serde_json::from_str(text).map_err(|error| {
        let action = "Send a JSON object of header names by what they hold, for example {\"finish\": \"Fin Pos\"}.";
        Problem::invalid("columns", format!("{error}."), action).into()
    })
}

/// Reads a file on a thread for blocking work: a large one takes long enough to hold up every other request.
///
/// # Errors
/// Everything that is wrong with the file.
pub async fn read_file<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ImportRejected> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(outcome) => outcome.map_err(ApiError::from),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::columns::Column;

    #[test]
    fn a_column_map_is_a_json_object_of_known_columns() {
        assert_eq!(column_map(None).unwrap(), ColumnMap::default());
        let map = column_map(Some(r#"{"finish": "Fin Pos", "laps_led": "Led"}"#)).unwrap();
        assert_eq!(map.0[&Column::Finish], "Fin Pos");
        for wrong in ["", "[]", "{\"colour\": \"x\"}", "{\"finish\": 3}", "finish=Fin"] {
            let error = column_map(Some(wrong)).unwrap_err();
            assert_eq!((error.code(), error.problem().field.as_deref()), ("invalid-input", Some("columns")), "{wrong}");
        }
    }
}
