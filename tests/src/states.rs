//! Where states are kept, on a [`Moto`] server.

use serde_json::json;

use crate::{Moto, aws};

/// Makes a bucket.
///
/// # Panics
///
/// If the server does not make it.
pub fn create_bucket(moto: &Moto, name: &str) {
    let url = format!("{}/{name}", moto.url());
    ureq::put(url).send_empty().unwrap_or_else(|error| panic!("the bucket {name}: {error}"));
}

/// Makes a table for states.
///
/// # Panics
///
/// If the server does not make it.
pub fn create_table(moto: &Moto, name: &str) {
    let table = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            { "AttributeName": "state", "AttributeType": "S" },
            { "AttributeName": "part", "AttributeType": "N" },
        ],
        "KeySchema": [
            { "AttributeName": "state", "KeyType": "HASH" },
            { "AttributeName": "part", "KeyType": "RANGE" },
        ],
    });
    let headers = [
        ("x-amz-target", "DynamoDB_20120810.CreateTable"),
        ("content-type", "application/x-amz-json-1.0"),
    ];
    aws::call(moto, "dynamodb", &headers, &table.to_string());
}
