//! What the service remembers: templates, their batches, the batches' files. Every method is
//! short and pure of input and output; the caller holds the lock.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::endpoint::Kind;
use super::identity::Identities;
use super::payload::{Content, NewFile};
use super::refusal::{Refusal, refusal};
use super::sample::Outcome;

const FIRST_CREDITS: u64 = 100_000;

pub(super) struct State {
    pub(super) credits: u64,
    pub(super) identities: Identities,
    pub(super) templates: HashMap<String, Template>,
    pub(super) batches: HashMap<String, Batch>,
}

pub(super) struct Template {
    pub(super) kind: Kind,
    pub(super) details: Arc<Value>,
    pub(super) batches: BTreeSet<String>,
}

pub(super) struct Batch {
    pub(super) kind: Kind,
    pub(super) template_id: String,
    pub(super) files: Vec<File>,
    pub(super) uploaded: Instant,
    /// How many requests for the results were answered "waiting".
    pub(super) polls: u32,
    /// Counts the uploads: what was worked out for fewer files does not finish the batch.
    pub(super) generation: u64,
    pub(super) phase: Phase,
}

pub(super) enum Phase {
    Running,
    /// The results are being worked out; the channel closes when they are there.
    Finishing(watch::Receiver<()>),
    Finished,
}

pub(super) struct File {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) content: Option<Arc<Content>>,
    pub(super) outcome: Option<Outcome>,
    /// The batch of the extraction that the file's document type is linked to.
    pub(super) linked: Option<Value>,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            credits: FIRST_CREDITS,
            identities: Identities::new(seed),
            templates: HashMap::new(),
            batches: HashMap::new(),
        }
    }

    pub(super) fn create(&mut self, kind: Kind, details: Map<String, Value>) -> String {
        let id = self.identities.next();
        let details = Arc::new(Value::Object(details));
        self.templates.insert(id.clone(), Template { kind, details, batches: BTreeSet::new() });
        id
    }

    pub(super) fn template(&mut self, kind: Kind, id: &str) -> Result<&mut Template, Refusal> {
        match self.templates.get_mut(id).filter(|template| template.kind == kind) {
            Some(template) => Ok(template),
            None => refusal(404, format!("No such {}", kind.word())),
        }
    }

    pub(super) fn batch(
        &mut self,
        kind: Kind,
        template_id: &str,
        id: &str,
    ) -> Result<&mut Batch, Refusal> {
        self.template(kind, template_id)?;
        match self.batches.get_mut(id).filter(|batch| batch.template_id == template_id) {
            Some(batch) => Ok(batch),
            None => refusal(404, "No such batch"),
        }
    }

    pub(super) fn delete(&mut self, kind: Kind, id: &str) -> Result<(), Refusal> {
        self.template(kind, id)?;
        if let Some(template) = self.templates.remove(id) {
            self.batches.retain(|id, _| !template.batches.contains(id));
        }
        Ok(())
    }

    pub(super) fn delete_batch(
        &mut self,
        kind: Kind,
        template_id: &str,
        id: &str,
    ) -> Result<(), Refusal> {
        self.batch(kind, template_id, id)?;
        self.batches.remove(id);
        self.template(kind, template_id)?.batches.remove(id);
        Ok(())
    }

    /// Deletes files, all or none of them; with its last file the batch goes: true.
    pub(super) fn delete_files(
        &mut self,
        kind: Kind,
        template_id: &str,
        batch_id: &str,
        ids: &[&str],
    ) -> Result<bool, Refusal> {
        let batch = self.batch(kind, template_id, batch_id)?;
        let gone: BTreeSet<&str> = ids.iter().copied().collect();
        let found = batch.files.iter().filter(|file| gone.contains(file.id.as_str())).count();
        if found != gone.len() {
            return refusal(404, "No such file");
        }
        batch.files.retain(|file| !gone.contains(file.id.as_str()));
        let emptied = batch.files.is_empty();
        if emptied {
            self.delete_batch(kind, template_id, batch_id)?;
        }
        Ok(emptied)
    }

    /// Adds files to a batch, a new one if none is named; the batch is waiting again.
    pub(super) fn upload(
        &mut self,
        kind: Kind,
        template_id: &str,
        batch_id: Option<&str>,
        files: Vec<NewFile>,
    ) -> Result<(String, Vec<Value>), Refusal> {
        self.template(kind, template_id)?;
        let batch_id = match batch_id {
            Some(id) => {
                self.batch(kind, template_id, id)?;
                id.to_owned()
            }
            None => self.identities.next(),
        };
        self.credits = self.credits.saturating_sub(files.len() as u64);
        let files = files.into_iter().map(|file| self.file(template_id, &batch_id, file));
        let files: Vec<File> = files.collect();
        let shown = files.iter().map(File::uploaded).collect();
        self.template(kind, template_id)?.batches.insert(batch_id.clone());
        let batch = self.batches.entry(batch_id.clone()).or_insert_with(|| Batch {
            kind,
            template_id: template_id.to_owned(),
            files: Vec::new(),
            uploaded: Instant::now(),
            polls: 0,
            generation: 0,
            phase: Phase::Running,
        });
        batch.files.extend(files);
        batch.uploaded = Instant::now();
        batch.polls = 0;
        batch.generation += 1;
        batch.phase = Phase::Running;
        Ok((batch_id, shown))
    }

    fn file(&mut self, template_id: &str, batch_id: &str, file: NewFile) -> File {
        let id = self.identities.next();
        File {
            url: format!("https://files.extracta.invalid/{template_id}/{batch_id}/{id}"),
            id,
            name: file.name,
            content: Some(file.content),
            outcome: None,
            linked: None,
        }
    }
}

impl File {
    fn uploaded(&self) -> Value {
        json!({"fileId": self.id, "fileName": self.name, "url": self.url})
    }

    /// The file as results and webhooks show it.
    pub(super) fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
        put("fileId", json!(self.id));
        put("fileName", json!(self.name));
        match &self.outcome {
            Some(Outcome::Processed(result)) => {
                put("status", json!("processed"));
                put("result", Value::clone(result));
            }
            Some(Outcome::Failed(reason)) => {
                put("status", json!("failed"));
                put("error", json!(reason));
            }
            None => {
                put("status", json!("waiting"));
            }
        }
        if let Some(linked) = &self.linked {
            put("extraction", linked.clone());
        }
        put("url", json!(self.url));
        shown
    }
}
