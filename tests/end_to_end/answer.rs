//! Reads the answer to an event.

use serde::Deserialize;

/// The answer for one record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Answered {
    pub(crate) record_id: String,
    pub(crate) result: String,
    pub(crate) data: Option<String>,
}

/// The answers in `response`, in order.
pub(crate) fn answers(response: &str) -> Vec<Answered> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Response {
        records: Vec<Answered>,
    }
    let response: Response = serde_json::from_str(response)
        .unwrap_or_else(|error| panic!("not one response: {error}: {response}"));
    response.records
}
