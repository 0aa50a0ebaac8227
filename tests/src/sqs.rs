//! Amazon SQS: queues, to see what a topic sends its subscribers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Moto, aws};

/// The most messages that one request hands out or deletes.
const MOST: usize = 10;

/// A queue.
#[derive(Debug)]
pub struct Queue<'a> {
    moto: &'a Moto,
    url: String,
    arn: String,
}

/// A message of a queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// What SQS identifies the message by.
    pub message_id: String,
    /// The text: an SNS envelope, unless the subscription is raw.
    pub body: String,
    /// The attributes: those of the SNS message, if the subscription is raw.
    #[serde(default)]
    pub message_attributes: BTreeMap<String, Attribute>,
    /// What SQS knows of it: its group and its deduplication id, if the queue is FIFO.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    receipt_handle: String,
}

/// An attribute of a queue's message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// `String`, `Number` or `Binary`.
    pub data_type: String,
    /// The value, as text.
    pub string_value: String,
}

impl<'a> Queue<'a> {
    /// Creates the queue `name`: a FIFO queue, if it ends in `.fifo`.
    pub fn create(moto: &'a Moto, name: &str) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            queue_url: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Described {
            attributes: BTreeMap<String, String>,
        }

        let attributes = match name.ends_with(".fifo") {
            true => json!({ "FifoQueue": "true" }),
            false => json!({}),
        };
        let Created { queue_url: url } =
            call(moto, "CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }));
        let mut described: Described = call(
            moto,
            "GetQueueAttributes",
            &json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] }),
        );
        let arn = described.attributes.remove("QueueArn").expect("the attribute asked for");
        Self { moto, url, arn }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Takes every message out of the queue, until a second goes by without one.
    pub fn receive_all(&self) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let messages = self.receive();
            if messages.is_empty() {
                return all;
            }
            self.delete(&messages);
            all.extend(messages);
        }
    }

    fn receive(&self) -> Vec<Message> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Received {
            #[serde(default)]
            messages: Vec<Message>,
        }
        let received: Received = call(
            self.moto,
            "ReceiveMessage",
            &json!({
                "QueueUrl": self.url,
                "MaxNumberOfMessages": MOST,
                "MessageAttributeNames": ["All"],
                "AttributeNames": ["All"],
                "WaitTimeSeconds": 1,
            }),
        );
        received.messages
    }

    fn delete(&self, messages: &[Message]) {
        let entries: Vec<Value> = messages
            .iter()
            .enumerate()
            .map(|(index, message)| {
                json!({ "Id": index.to_string(), "ReceiptHandle": message.receipt_handle })
            })
            .collect();
        let _: Value = call(
            self.moto,
            "DeleteMessageBatch",
            &json!({ "QueueUrl": self.url, "Entries": entries }),
        );
    }
}

fn call<T: DeserializeOwned>(moto: &Moto, action: &str, parameters: &Value) -> T {
    let target = format!("AmazonSQS.{action}");
    let headers =
        [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
    let answer = aws::call(moto, "sqs", &headers, &parameters.to_string());
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{action}: {error}: {answer}"))
}
