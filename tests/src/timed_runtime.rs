use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::http::{self, Request};

/// The side of AWS Lambda that a function talks to, with the deadlines that AWS gives: what is not
/// answered by then is lost.
///
/// Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
#[derive(Debug)]
pub struct TimedRuntime {
    address: String,
    events: Sender<Invocation>,
    answers: Mutex<Receiver<String>>,
}

/// An event that waits for the function to ask for it.
struct Invocation {
    event: String,
    timeout: Duration,
}

impl TimedRuntime {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (events, waiting) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        // Ends with the test's process; until then nobody else knows the port.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (waiting, answered) = (Arc::clone(&waiting), answered.clone());
                thread::spawn(move || serve(&connection, &waiting, &answered));
            }
        });
        Self { address, events, answers: Mutex::new(answers) }
    }

    /// The environment that a function finds itself in.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_LAMBDA_RUNTIME_API", self.address.clone()),
            ("AWS_LAMBDA_FUNCTION_NAME", "weir".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ]
    }

    /// Invokes the function with `event`; it has `timeout` from the moment that it asks for it. Its
    /// answer, unless it comes too late.
    ///
    /// # Panics
    ///
    /// If the function has ended.
    pub fn invoke(&self, event: &str, timeout: Duration) -> Option<String> {
        let invocation = Invocation { event: event.to_owned(), timeout };
        self.events.send(invocation).expect("the runtime");
        // A function that starts for the first time may take a while to ask.
        let answers = self.answers.lock().expect("one invocation at a time");
        let answer = answers.recv_timeout(timeout + Duration::from_secs(60));
        answer.ok().filter(|answer| !answer.is_empty())
    }
}

fn serve(
    connection: &TcpStream,
    waiting: &Mutex<Receiver<Invocation>>,
    answered: &Sender<String>,
) -> Option<()> {
    let request = Request::read(connection)?;
    if request.line.contains("/invocation/next") {
        let Invocation { event, timeout } = waiting.lock().ok()?.recv().ok()?;
        let ends = SystemTime::now() + timeout;
        let ends = ends.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        let headers = [
            ("Lambda-Runtime-Aws-Request-Id", ends.to_string()),
            ("Lambda-Runtime-Deadline-Ms", ends.to_string()),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:weir".to_owned()),
        ];
        return http::respond_with(connection, &headers, &event);
    }
    http::respond(connection, 202, "{}")?;
    // The id of an invocation is when it ends.
    let mut parts = request.line.split('/');
    let ends: u128 = parts.find_map(|part| part.parse().ok())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
    let in_time = now <= ends && request.line.contains("/response");
    let answer = String::from_utf8(request.body).ok().filter(|_| in_time);
    answered.send(answer.unwrap_or_default()).ok()
}
