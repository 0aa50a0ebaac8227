use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::http::{self, Request};

/// A server that answers `PublishBatch` as a script says: for what a real one does only under
/// pressure.
#[derive(Debug)]
pub struct ScriptedSns {
    url: String,
    requests: Arc<Mutex<Vec<Vec<Entry>>>>,
}

/// An entry of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its id in the request.
    pub id: String,
    /// The message.
    pub message: String,
    /// What the message, the subject and the attributes add up to, in bytes.
    pub bytes: usize,
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the list of those that succeeded.
    Confirmed,
    /// It is in the list of those that failed, with this code.
    Failed {
        /// The error code.
        code: &'static str,
        /// Whether it is the sender's fault.
        sender_fault: bool,
    },
    /// It is in neither list.
    Unmentioned,
    /// The request it is in is refused as a whole; with the status 200, the answer makes no sense.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: &'static str,
    },
}

impl ScriptedSns {
    /// Starts the server. The script is asked for each entry, with the number of requests before.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    pub fn start(script: impl Fn(usize, &Entry) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(script);
        let seen = Arc::clone(&requests);
        // Ends with the test's process; until then nobody else knows the port.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                // A client that hangs up early is its own affair.
                thread::spawn(move || answer(&connection, &*script, &seen));
            }
        });
        Self { url, requests }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The requests so far, in the order in which they came.
    ///
    /// # Panics
    ///
    /// If the script panicked.
    pub fn requests(&self) -> Vec<Vec<Entry>> {
        self.requests.lock().expect("the requests").clone()
    }
}

fn answer(
    connection: &TcpStream,
    script: &dyn Fn(usize, &Entry) -> Fate,
    seen: &Mutex<Vec<Vec<Entry>>>,
) -> Option<()> {
    let entries = entries(&Request::read(connection)?.body);
    let number = {
        let mut seen = seen.lock().ok()?;
        seen.push(entries.clone());
        seen.len() - 1
    };
    let (mut successful, mut failed) = (String::new(), String::new());
    for entry in &entries {
        let id = &entry.id;
        match script(number, entry) {
            Fate::Confirmed => {
                successful += &format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>");
            }
            Fate::Failed { code, sender_fault } => {
                failed += &format!(
                    "<member><Id>{id}</Id><Code>{code}</Code><Message>as the script says</Message>\
                     <SenderFault>{sender_fault}</SenderFault></member>"
                );
            }
            Fate::Unmentioned => {}
            Fate::Refused { status, code } => {
                return http::respond(connection, status, &error_answer(code));
            }
        }
    }
    http::respond(connection, 200, &publish_batch_answer(&successful, &failed))
}

/// The answer to `PublishBatch`, with the members of its two lists.
pub(crate) fn publish_batch_answer(successful: &str, failed: &str) -> String {
    format!(
        "<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
         <PublishBatchResult><Successful>{successful}</Successful><Failed>{failed}</Failed>\
         </PublishBatchResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\
         </PublishBatchResponse>"
    )
}

/// The answer of a service that refuses a request.
pub(crate) fn error_answer(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>as the script says\
         </Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

/// The entries in a form of the query protocol: `PublishBatchRequestEntries.member.1.Id=…`.
pub(crate) fn entries(form: &[u8]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (name, value) in form_urlencoded::parse(form) {
        let Some(name) = name.strip_prefix("PublishBatchRequestEntries.member.") else { continue };
        let Some((number, field)) = name.split_once('.') else { continue };
        let index = number.parse::<usize>().expect("members are numbered") - 1;
        entries.resize_with(entries.len().max(index + 1), Entry::default);
        let entry = &mut entries[index];
        match field {
            "Id" => entry.id = value.into_owned(),
            "Message" => {
                entry.bytes += value.len();
                entry.message = value.into_owned();
            }
            // The subject, and the attributes' names, types and values.
            _ => entry.bytes += value.len(),
        }
    }
    entries
}
