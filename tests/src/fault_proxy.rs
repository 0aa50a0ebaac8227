use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::Moto;
use crate::http::{self, Request};
use crate::random::Random;
use crate::scripted_sns::{Entry, entries, error_answer, publish_batch_answer};

/// A proxy between Weir and a [`Moto`] server, which does to `PublishBatch` what networks and
/// services under pressure do. The same seed does the same to the same requests, in their order.
#[derive(Debug)]
pub struct FaultProxy {
    url: String,
}

/// What is done to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It takes a while.
    Delay,
    /// It is not taken, with a status and a code.
    Refuse(u16, &'static str),
    /// Some of its entries are not taken.
    FailSome,
    /// Some entries are in neither list, taken or not.
    ForgetSome,
    /// It is taken, and the answer makes no sense.
    Garbage,
    /// The connection is reset before it is taken.
    ResetBefore,
    /// It is taken, and the connection is reset.
    ResetAfter,
    /// It is taken, and the answer ends in its middle.
    Cut,
    /// There is never an answer.
    Stall,
}

/// Of how many requests one meets a fault: more than half, of some kind.
const FAULTS: [(Fault, u64); 12] = [
    (Fault::None, 46),
    (Fault::Delay, 6),
    (Fault::Refuse(400, "Throttling"), 5),
    (Fault::Refuse(429, "Throttled"), 5),
    (Fault::Refuse(500, "InternalError"), 5),
    (Fault::Refuse(503, "ServiceUnavailable"), 4),
    (Fault::FailSome, 8),
    (Fault::ForgetSome, 8),
    (Fault::Garbage, 3),
    (Fault::ResetBefore, 3),
    (Fault::ResetAfter, 3),
    (Fault::Cut, 3),
];

/// How rarely a request is stalled: it takes all the time that the client has.
const STALLS_ONE_IN: u64 = 150;

/// Which requests meet nobody, where a seed draws an outage: enough in a row that the service may count
/// as away, if they are no one moment's.
const OUTAGE: Range<u64> = 10..17;

impl FaultProxy {
    /// Starts a proxy to `moto`.
    ///
    /// # Panics
    ///
    /// If there is no port to listen on.
    pub fn start(moto: &Moto, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let (to, requests) = (moto.url().to_owned(), Arc::new(AtomicU64::new(0)));
        // Ends with the test's process; until then nobody else knows the port.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let number = requests.fetch_add(1, Ordering::Relaxed);
                let random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
                let away = seed % 4 == 3 && OUTAGE.contains(&number);
                let to = to.clone();
                // A client that hangs up early is its own affair.
                thread::spawn(move || serve(&connection, &to, random, away));
            }
        });
        Self { url }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn serve(mut connection: &TcpStream, to: &str, mut random: Random, away: bool) -> Option<()> {
    let request = Request::read(connection)?;
    let fault = if away { Fault::Refuse(503, "ServiceUnavailable") } else { draw(&mut random) };
    match fault {
        Fault::None => {}
        Fault::Delay => thread::sleep(Duration::from_millis(random.between(1, 10))),
        Fault::Refuse(status, code) => {
            return http::respond(connection, status, &error_answer(code));
        }
        Fault::FailSome | Fault::ForgetSome => {
            return partly(connection, to, &request, fault, &mut random);
        }
        Fault::ResetBefore => return connection.shutdown(Shutdown::Both).ok(),
        // The client hangs up: then there is nothing more to read.
        Fault::Stall => return Request::read(connection).map(drop),
        Fault::Garbage | Fault::ResetAfter | Fault::Cut => {}
    }
    let answer = forward(to, &request, &request.body)?;
    match fault {
        Fault::Garbage => http::respond(connection, 200, "<html>It works!</html>"),
        Fault::ResetAfter => connection.shutdown(Shutdown::Both).ok(),
        Fault::Cut => {
            let half = &answer[..answer.len() / 2];
            write!(connection, "{}{half}", http::head(200, answer.len())).ok()
        }
        _ => http::respond(connection, 200, &answer),
    }
}

fn draw(random: &mut Random) -> Fault {
    if random.between(0, STALLS_ONE_IN) == 0 {
        return Fault::Stall;
    }
    let mut at = random.between(0, FAULTS.iter().map(|(_, weight)| weight).sum());
    for (fault, weight) in FAULTS {
        match at.checked_sub(weight) {
            Some(left) => at = left,
            None => return fault,
        }
    }
    Fault::None
}

/// Forwards some of the entries and says so, or not.
fn partly(
    connection: &TcpStream,
    to: &str,
    request: &Request,
    fault: Fault,
    random: &mut Random,
) -> Option<()> {
    let (mut successful, mut failed) = (String::new(), String::new());
    let mut taken = Vec::new();
    for entry in entries(&request.body) {
        let lucky = random.between(0, 2) == 0;
        let Entry { id, .. } = &entry;
        match (fault, lucky) {
            (Fault::FailSome, false) => {
                failed += &format!(
                    "<member><Id>{id}</Id><Code>InternalError</Code><Message>as drawn</Message>\
                     <SenderFault>false</SenderFault></member>"
                );
                continue;
            }
            // In neither list, and half of these not even taken.
            (Fault::ForgetSome, false) if random.between(0, 2) == 0 => continue,
            (Fault::ForgetSome, false) => {}
            _ => successful += &format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>"),
        }
        taken.push(entry.id);
    }
    if !taken.is_empty() {
        forward(to, request, &only(&request.body, &taken))?;
    }
    http::respond(connection, 200, &publish_batch_answer(&successful, &failed))
}

/// The form of a `PublishBatch` with only those entries that have one of these ids.
fn only(form: &[u8], ids: &[String]) -> Vec<u8> {
    const MEMBER: &str = "PublishBatchRequestEntries.member.";
    let all = entries(form);
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(form) {
        let Some((number, field)) = name.strip_prefix(MEMBER).and_then(|n| n.split_once('.'))
        else {
            kept.append_pair(&name, &value);
            continue;
        };
        let index: usize = number.parse().expect("members are numbered");
        if let Some(place) = ids.iter().position(|id| *id == all[index - 1].id) {
            kept.append_pair(&format!("{MEMBER}{}.{field}", place + 1), &value);
        }
    }
    kept.finish().into_bytes()
}

/// Hands a request on. `None` if the server does not take it.
fn forward(to: &str, request: &Request, body: &[u8]) -> Option<String> {
    let mut forwarded = ureq::post(to);
    for name in ["authorization", "content-type"] {
        forwarded = forwarded.header(name, request.header(name).unwrap_or_default());
    }
    forwarded.send(body).ok()?.body_mut().read_to_string().ok()
}
