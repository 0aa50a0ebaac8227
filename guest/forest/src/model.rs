use weir_guest::json::Pointer;

use crate::annotation::Annotator;
use crate::columns::Columns;
use crate::per_key::PerKey;
use crate::replay::Replay;
use crate::scorer::Scorer;
use crate::settings::RuleSettings;

/// What is known once there are columns.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) columns: Columns,
    pub(crate) scorers: Scorers,
    pub(crate) replay: Replay,
    pub(crate) annotator: Annotator,
}

/// What scores the records of a stream.
#[derive(Debug)]
pub(crate) enum Scorers {
    One(Scorer),
    PerKey(PerKey),
}

impl Model {
    pub(crate) fn new(settings: &RuleSettings, columns: Vec<Pointer>) -> Self {
        let scorer = settings.scorer(columns.len());
        Self {
            annotator: Annotator::new(settings.explanation, &columns),
            scorers: match settings.key {
                None => Scorers::One(Scorer::new(scorer)),
                Some(_) => Scorers::PerKey(PerKey::new(scorer, settings.memory_bytes)),
            },
            replay: Replay::new(scorer, columns.len(), settings.memory_bytes),
            columns: Columns::new(columns, settings.key.as_ref()),
        }
    }
}
