//! Amazon SNS: topics, and what subscribers get from them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::sqs::Queue;
use crate::{Moto, aws};

/// How a subscription hands messages to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Within an envelope: a [`Notification`].
    Enveloped,
    /// As published; the attributes become attributes of the queue's message.
    Raw,
}

/// A topic.
#[derive(Debug)]
pub struct Topic<'a> {
    moto: &'a Moto,
    arn: String,
}

impl<'a> Topic<'a> {
    /// Creates the topic `name`: a FIFO topic, if it ends in `.fifo`.
    pub fn create(moto: &'a Moto, name: &str) -> Self {
        let fifo = [("Attributes.entry.1.key", "FifoTopic"), ("Attributes.entry.1.value", "true")];
        let mut parameters = vec![("Action", "CreateTopic"), ("Name", name)];
        parameters.extend(fifo.into_iter().filter(|_| name.ends_with(".fifo")));
        let answer = call(moto, &parameters);
        let arn = answer
            .split_once("<TopicArn>")
            .and_then(|(_, rest)| rest.split_once("</TopicArn>"))
            .map(|(arn, _)| arn.to_owned())
            .unwrap_or_else(|| panic!("no TopicArn in {answer}"));
        Self { moto, arn }
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Subscribes `queue`.
    pub fn subscribe(&self, queue: &Queue<'_>, delivery: Delivery) {
        let raw = (delivery == Delivery::Raw).to_string();
        call(
            self.moto,
            &[
                ("Action", "Subscribe"),
                ("TopicArn", &self.arn),
                ("Protocol", "sqs"),
                ("Endpoint", queue.arn()),
                ("Attributes.entry.1.key", "RawMessageDelivery"),
                ("Attributes.entry.1.value", &raw),
            ],
        );
    }
}

/// The envelope that SNS puts a message into.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Notification {
    /// What SNS identifies the message by.
    pub message_id: String,
    /// The topic it was published to.
    pub topic_arn: String,
    /// The subject, where the publisher gave one.
    pub subject: Option<String>,
    /// The message.
    pub message: String,
    /// What the publisher attached.
    #[serde(default)]
    pub message_attributes: BTreeMap<String, Attribute>,
}

impl Notification {
    /// Reads the body of a queue's message.
    ///
    /// # Panics
    ///
    /// If it is no such envelope.
    pub fn parse(body: &str) -> Self {
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The value of the attribute `name`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn attribute(&self, name: &str) -> &str {
        match self.message_attributes.get(name) {
            Some(attribute) => &attribute.value,
            None => panic!("no attribute {name} in {:?}", self.message_attributes),
        }
    }
}

/// An attribute of a message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// `String`, `Number`, `Binary` or `String.Array`.
    pub r#type: String,
    /// The value, as text.
    pub value: String,
}

fn call(moto: &Moto, parameters: &[(&str, &str)]) -> String {
    let mut body = "Version=2010-03-31".to_owned();
    for (name, value) in parameters {
        // Names and values here are ARNs, words and numbers, of which a form takes all but these.
        let value = value.replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        body.push_str(&format!("&{name}={value}"));
    }
    aws::call(moto, "sns", &[("content-type", "application/x-www-form-urlencoded")], &body)
}
