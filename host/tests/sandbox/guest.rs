//! Rules in a few lines of WAT: a core module of the right shape, wrapped as a component.

use weir::{Batch, Encoding, Engine, Fault, Filter, Limits, Outcome, Rule};
use weir_tests::rule::wrapped_otherwise;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A rule whose functions are given as WAT. By default each does what the contract asks for and no
/// more: it opens with any settings and lets the one record of a batch pass.
#[derive(Clone)]
pub(crate) struct Guest {
    /// What the module imports beside what the contract asks for, and the WIT that it is of: packages,
    /// and a world `importing` in the last of them.
    pub(crate) imports: Option<(&'static str, &'static str)>,
    /// Further fields of the module: tables, functions, data.
    pub(crate) fields: String,
    /// Of `cabi_realloc`, before it takes memory of the heap.
    pub(crate) realloc: String,
    /// Of `open`, before it answers.
    pub(crate) open: String,
    /// Of `classify`, before it answers.
    pub(crate) classify: String,
    /// What `classify` answers with.
    pub(crate) answer: Answer,
    /// Of `snapshot`, before it answers: with what address and length stand at [`SNAPSHOT`], which
    /// is nothing by default.
    pub(crate) snapshot: String,
    /// Of `restore`, before it answers: yes, unless the byte at [`RESTORED`] is 1; then address and
    /// length of the reason follow, each of four bytes.
    pub(crate) restore: String,
    pub(crate) keeps_state: bool,
    pub(crate) rewrites: bool,
    pub(crate) name: &'static str,
    /// The JSON Schema of its settings.
    pub(crate) schema: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            imports: None,
            fields: String::new(),
            realloc: String::new(),
            open: String::new(),
            classify: String::new(),
            answer: Answer { verdicts: vec![PASS], ..Answer::default() },
            snapshot: String::new(),
            restore: String::new(),
            keeps_state: false,
            rewrites: false,
            name: "guest",
            schema: "{}",
        }
    }
}

pub(crate) const PASS: u8 = 0;
pub(crate) const FLAG: u8 = 1;
pub(crate) const FAIL: u8 = 3;

/// What `classify` answers with, as numbers in memory.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) verdicts: Vec<u8>,
    /// Index and score of each flag. All have the same message.
    pub(crate) flagged: Vec<(u32, f64)>,
    /// Index of each failure. All have the same reason.
    pub(crate) failed: Vec<u32>,
    /// Where the rewritten payloads end; of as many bytes as the last says, or as given.
    pub(crate) rewritten: Option<(u32, Vec<u32>)>,
    /// How long the one message and the one reason are, in bytes.
    pub(crate) text_bytes: u32,
}

/// Where things stand in the guest's memory. The first page holds the answers, the rest is free.
const DESCRIPTION: u32 = 1024;
const TEXTS: u32 = 1100;
pub(crate) const OPENED: u32 = 1200;
pub(crate) const SNAPSHOT: u32 = 1240;
pub(crate) const RESTORED: u32 = 1260;
pub(crate) const OUTCOME: u32 = 2048;
pub(crate) const LISTS: u32 = 4096;
/// The heap, and the one text that all messages and reasons point to.
pub(crate) const HEAP: u32 = 65536;

impl Guest {
    /// The rule as a component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).expect("valid WAT");
        let mut resolve = Resolve::default();
        let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
        let (package, _) = resolve.push_path(wit).expect("the rule contract");
        let world = match self.imports {
            None => resolve.select_world(&[package], Some("filter")),
            Some((_, wit)) => {
                let package = resolve.push_str("importing.wit", wit).expect("valid WIT");
                resolve.select_world(&[package], Some("importing"))
            }
        };
        let world = world.expect("the world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .expect("metadata");
        ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.validate(true).encode())
            .expect("a component")
    }

    /// The same, wrapped in a way that the host does not know.
    pub(crate) fn wrapped_otherwise(&self) -> Vec<u8> {
        wrapped_otherwise(&self.component())
    }

    /// Loads and opens the rule.
    pub(crate) fn open(&self, limits: Limits) -> Filter {
        open(&self.component(), limits)
    }

    /// Has the rule classify a batch of as many records: called directly, and through the component
    /// model, to the same effect.
    pub(crate) fn classify(&self, limits: Limits, records: usize) -> Result<Outcome, Fault> {
        let answered = self.open(limits).classify(&batch(records));
        let other = open(&self.wrapped_otherwise(), limits).classify(&batch(records));
        match (&answered, &other) {
            // The engine has words of its own for what is no value of a type.
            (Err(Fault::Contract(_)), Err(Fault::Call(_))) => {}
            _ => assert_eq!(answered, other),
        }
        answered
    }

    fn module(&self) -> String {
        let Self { fields, realloc, open, classify, snapshot, restore, .. } = self;
        let (imports, _) = self.imports.unwrap_or_default();
        let pages = 2 + self.answer.text_bytes.div_ceil(65536);
        let heap = HEAP + self.answer.text_bytes;
        let data = self.data();
        format!(
            r#"(module
            (import "[export]weir:filter/rule@0.2.0" "[resource-new]classifier"
                (func $new (param i32) (result i32)))
            {imports}
            (memory (export "memory") {pages})
            (global $heap (mut i32) (i32.const {heap}))
            {fields}
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                {realloc}
                (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7))
                                           (i32.const -8)))
                (global.get $heap)
                (global.set $heap (i32.add (global.get $heap) (local.get 3))))
            (func (export "weir:filter/rule@0.2.0#describe") (result i32)
                (i32.const {DESCRIPTION}))
            (func (export "weir:filter/rule@0.2.0#[static]classifier.open")
                (param i32 i32) (result i32)
                {open}
                (i32.store8 (i32.const {OPENED}) (i32.const 0))
                (i32.store (i32.const {opened_handle}) (call $new (i32.const 7)))
                (i32.const {OPENED}))
            (func (export "weir:filter/rule@0.2.0#[method]classifier.classify")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                {classify}
                (i32.const {OUTCOME}))
            (func (export "weir:filter/rule@0.2.0#[method]classifier.snapshot")
                (param i32) (result i32)
                {snapshot}
                (i32.const {SNAPSHOT}))
            (func (export "weir:filter/rule@0.2.0#[method]classifier.restore")
                (param i32 i32 i32) (result i32)
                {restore}
                (i32.const {RESTORED}))
            {data})"#,
            opened_handle = OPENED + 4,
        )
    }

    fn data(&self) -> String {
        let mut data = self.description();
        let Answer { verdicts, flagged, failed, rewritten, text_bytes } = &self.answer;
        let mut lists = Vec::new();
        let mut place = |bytes: Vec<u8>, align: usize| {
            lists.resize(lists.len().next_multiple_of(align), 0);
            let at = LISTS + lists.len() as u32;
            lists.extend(bytes);
            at
        };

        // The layout of each type is the canonical ABI's.
        let flag = |&(index, score): &(u32, f64)| {
            let mut flag = Vec::new();
            flag.extend(index.to_le_bytes());
            flag.extend([0; 4]);
            flag.extend(1u64.to_le_bytes());
            flag.extend(score.to_le_bytes());
            flag.extend([0; 16]);
            flag.extend(HEAP.to_le_bytes());
            flag.extend(text_bytes.to_le_bytes());
            flag
        };
        let failure =
            |&index: &u32| [index, HEAP, *text_bytes].into_iter().flat_map(u32::to_le_bytes);
        let mut outcome = Vec::new();
        outcome.extend([place(verdicts.clone(), 1), verdicts.len() as u32]);
        outcome.extend([place(flagged.iter().flat_map(flag).collect(), 8), flagged.len() as u32]);
        outcome.extend([place(failed.iter().flat_map(failure).collect(), 4), failed.len() as u32]);
        if let Some((bytes, ends)) = rewritten {
            let list = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
            outcome.extend([1, HEAP, *bytes, place(list, 4), ends.len() as u32]);
        }
        let outcome: Vec<u8> = outcome.into_iter().flat_map(u32::to_le_bytes).collect();
        data += &segment(OUTCOME, &outcome);
        data += &segment(LISTS, &lists);
        data
    }

    fn description(&self) -> String {
        let texts = [self.name, "1.0.0", self.schema];
        let mut at = TEXTS;
        let mut description = Vec::new();
        for text in texts {
            description.extend(at.to_le_bytes());
            description.extend((text.len() as u32).to_le_bytes());
            at += text.len() as u32;
        }
        description.extend([u8::from(self.keeps_state), u8::from(self.rewrites)]);
        segment(DESCRIPTION, &description) + &segment(TEXTS, texts.concat().as_bytes())
    }
}

fn open(component: &[u8], limits: Limits) -> Filter {
    let engine = Engine::new(limits).expect("an engine");
    let rule = Rule::load(&engine, component).expect("a rule");
    rule.open("{}").expect("an opened rule")
}

fn segment(at: u32, bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{text}\")\n")
}

/// An event of Kinesis with one record of a shard.
pub(crate) fn of_shard(shard: impl std::fmt::Display, number: u64) -> String {
    format!(
        r#"{{"Records":[{{"eventID":"{shard}:{number}","eventSourceARN":"arn:s","kinesis":{{"sequenceNumber":"{number}","data":"e30="}}}}]}}"#
    )
}

/// A batch of as many records.
pub(crate) fn batch(records: usize) -> Batch {
    let mut batch = Batch::with_capacity(Encoding::Plain, records, records);
    (0..records).for_each(|_| batch.push(b"x"));
    batch
}
