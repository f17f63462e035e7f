//! Taking a change back: what it wrote is written over with what was there before, as new operations.
//!
//! History says what each operation replaced, so that nothing needs to be kept for it but which operations a change was.
//! Invariant: what anybody has written since stays as it is, and is named. Taking back is itself a change, which can be
//! taken back. Photos that are hidden and kept back are left alone, unless it was their hiding that is taken back.

use std::collections::{BTreeSet, HashSet};

use safelight_catalog::Change;
use safelight_model::{
    AssetId, AssetState, EntityId, Field, Op, OpBody, OpId, OpIds, Record, Register, SetName, Target, Value,
};

use super::change::EditReport;
use super::is_held;
use super::remembered::Sort;
use crate::error::Result;
use crate::library::Library;

/// What is said of what somebody wrote over.
const WRITTEN_SINCE: &str = "some of it was changed again meanwhile, and stays as it is";
/// What is said of what has no way back.
const NO_WAY_BACK: &str = "some of it cannot be taken back";

/// The operations of one change, on the device that made it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    before: i64,
    last: i64,
}

impl Made {
    pub(super) fn between(before: i64, last: i64) -> Self {
        Self { before, last }
    }

    /// The numbers of its operations.
    pub(crate) fn numbers(self) -> std::ops::RangeInclusive<i64> {
        self.before + 1..=self.last
    }

    /// The change of these operations.
    pub(crate) fn of_numbers(first: i64, last: i64) -> Self {
        Self { before: first - 1, last }
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.before >= self.last
    }
}

/// What an operation wrote about, as it is now.
enum Subject {
    Asset(AssetId, Box<AssetState>),
    Record(Target, Record),
}

impl Subject {
    fn read(change: &mut Change<'_>, target: &Target) -> Result<Option<Self>> {
        Ok(match target {
            Target::Asset(asset, _) => {
                let state = change.asset(*asset)?.filter(is_held);
                // One that was purged and came back is another photo to those who had tagged it.
                let state = state.filter(|state| state.target(*asset) == *target);
                state.map(|state| Self::Asset(*asset, Box::new(state)))
            }
            _ => change.record(&target.entity())?.map(|record| Self::Record(target.clone(), record)),
        })
    }

    fn record(&self) -> &Record {
        match self {
            Self::Asset(_, state) => state.current().record(),
            Self::Record(_, record) => record,
        }
    }

    fn put_in(&self, set: SetName, element: Value) -> Option<OpBody> {
        match self {
            Self::Asset(asset, state) => state.put_in(*asset, set, element),
            Self::Record(target, record) => record.put_in(target.clone(), set, element),
        }
    }

    fn take_out(&self, set: SetName, element: Value) -> Option<OpBody> {
        match self {
            Self::Asset(asset, state) => state.take_out(*asset, set, element),
            Self::Record(target, record) => record.take_out(target.clone(), set, element),
        }
    }
}

/// How one operation is taken back.
enum Back {
    /// By these, the one that shows last.
    With(Vec<OpBody>),
    /// It is so already.
    Already,
    /// Why not.
    Not(&'static str),
}

impl Library {
    /// The operations of the change that this library made last.
    #[must_use]
    pub fn last_made(&self) -> Made {
        self.made
    }

    /// Takes a change back: fields show again what they showed, tags and albums are as they were.
    ///
    /// # Errors
    /// Those of the catalogue. What cannot be taken back is named in the report.
    pub fn undo(&mut self, made: Made) -> Result<EditReport> {
        let (sort, remembered) = self.before_undo(made)?;
        let mut put_back = std::mem::take(&mut self.put_back);
        let report = self.undo_with(made, sort, &mut put_back);
        self.put_back = put_back;
        let report = report?;
        if let Some((name, taken_back)) = remembered.filter(|_| !report.changed.is_empty()) {
            self.after_undo(&name, taken_back)?;
        }
        Ok(report)
    }

    fn undo_with(&mut self, made: Made, sort: Sort, put_back: &mut HashSet<OpId>) -> Result<EditReport> {
        let keeps_back = self.keeps_hidden_back();
        self.change_as(Some(sort), |change| {
            let (mut changed, mut about, mut notices) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            // What it did beside hiding a photo itself is taken back with that.
            let mut hidden_by_it = BTreeSet::new();
            let mut its_own = HashSet::new();
            for number in made.numbers() {
                let op = change.op_numbered(number)?;
                its_own.extend(op.as_ref().map(|op| op.id));
                let op = op.filter(is_hiding);
                hidden_by_it.extend(op.as_ref().and_then(target_of).map(|target| named(&target)));
            }
            let mut done_with_others = HashSet::new();
            for number in (made.before + 1..=made.last).rev() {
                let Some(op) = change.op_numbered(number)? else {
                    notices.insert(NO_WAY_BACK.to_owned());
                    continue;
                };
                let Some(target) = target_of(&op) else {
                    notices.insert(NO_WAY_BACK.to_owned());
                    continue;
                };
                let is_its_own = is_hiding(&op) || hidden_by_it.contains(&named(&target));
                if keeps_back && !is_its_own && is_hidden(change, &target)? {
                    notices.insert(NO_WAY_BACK.to_owned());
                    continue;
                }
                about.insert(named(&target));
                if done_with_others.contains(&op.id) {
                    continue;
                }
                match back(change, &op, &target, put_back, &its_own)? {
                    Back::With(bodies) => {
                        done_with_others.extend(beside(change, &op, &target)?);
                        for body in bodies {
                            put_back.insert(change.push(body)?);
                        }
                        changed.insert(named(&target));
                    }
                    Back::Already => {}
                    Back::Not(why) => drop(notices.insert(why.to_owned())),
                }
            }
            let unchanged = about.difference(&changed).count() as u64;
            let items = about.len() as u64;
            Ok(EditReport {
                items,
                changed: changed.into_iter().collect(),
                unchanged,
                notices,
                dry_run: false,
            })
        })
    }
}

pub(super) fn target_of(op: &Op) -> Option<Target> {
    match &op.body {
        OpBody::Set { target, .. } | OpBody::AddTo { target, .. } | OpBody::RemoveFrom { target, .. } => {
            Some(target.clone())
        }
        OpBody::AddVersion { asset, life, .. } => Some(Target::Asset(*asset, *life)),
        _ => None,
    }
}

fn is_hiding(op: &Op) -> bool {
    matches!(&op.body, OpBody::Set { field, .. } if field.code() == Field::HIDDEN)
}

/// Whether what is written about is a photo that is hidden now.
fn is_hidden(change: &mut Change<'_>, target: &Target) -> Result<bool> {
    let EntityId::Asset(asset) = target.entity() else { return Ok(false) };
    let state = change.asset(asset)?;
    let hidden = state.as_ref().and_then(|state| state.current().record().value(Field::HIDDEN).cloned());
    Ok(hidden == Some(Value::Bool(true)))
}

fn named(target: &Target) -> String {
    match target.entity() {
        EntityId::Asset(asset) => asset.to_string(),
        EntityId::Album(album) => album.to_string(),
        _ => "library".to_owned(),
    }
}

fn back(
    change: &mut Change<'_>,
    op: &Op,
    target: &Target,
    put_back: &HashSet<OpId>,
    its_own: &HashSet<OpId>,
) -> Result<Back> {
    let Some(subject) = Subject::read(change, target)? else { return Ok(Back::Not(WRITTEN_SINCE)) };
    let record = subject.record();
    let body = match &op.body {
        OpBody::Set { field, value, .. } => {
            let register = record.field(field.clone());
            let is_unchanged = register.is_some_and(|register| {
                is_written_by(register, op, value, put_back) || is_put_beside(register, op, its_own)
            });
            if !is_unchanged {
                return Ok(Back::Not(WRITTEN_SINCE));
            }
            let Some(before) = replaced_by(change, op)? else { return Ok(Back::Not(NO_WAY_BACK)) };
            if before == [value.clone()] {
                return Ok(Back::Already);
            }
            // Each is written without regard to the others, so that they are in conflict once more.
            let write = |before| match &subject {
                Subject::Asset(asset, state) => state.write_field(*asset, field.clone(), before),
                Subject::Record(target, record) => record.write_field(target.clone(), field.clone(), before),
            };
            return Ok(Back::With(before.into_iter().map(write).collect()));
        }
        OpBody::AddVersion { supersedes, .. } => {
            return version_back(change, op, &subject, supersedes, put_back);
        }
        OpBody::AddTo { set, element, .. } => subject.take_out(*set, element.clone()),
        OpBody::RemoveFrom { set, element, .. } => subject.put_in(*set, element.clone()),
        _ => return Ok(Back::Not(NO_WAY_BACK)),
    };
    Ok(body.map_or(Back::Already, |body| Back::With(vec![body])))
}

/// How a photo shows again the content that a version took the place of.
fn version_back(
    change: &mut Change<'_>,
    op: &Op,
    subject: &Subject,
    supersedes: &OpIds,
    put_back: &HashSet<OpId>,
) -> Result<Back> {
    let Subject::Asset(asset, state) = subject else { return Ok(Back::Not(NO_WAY_BACK)) };
    let current = state.current().contents().current();
    if !current.is_some_and(|current| current.op == op.id || put_back.contains(&current.op)) {
        return Ok(Back::Not(WRITTEN_SINCE));
    }
    let mut replaced = Vec::new();
    for id in supersedes {
        let Some(Op {
            stamp,
            body: OpBody::AddAsset { original, .. } | OpBody::AddVersion { original, .. },
            ..
        }) = change.op(*id)?
        else {
            return Ok(Back::Not(NO_WAY_BACK));
        };
        replaced.push((stamp, *id, original));
    }
    let last = replaced.into_iter().max_by_key(|(stamp, id, _)| (*stamp, *id));
    Ok(last.map_or(Back::Not(NO_WAY_BACK), |(.., original)| {
        Back::With(vec![state.add_version(*asset, original)])
    }))
}

/// The other writes of the same field that show beside one: what puts a conflict back writes several.
fn beside(change: &mut Change<'_>, op: &Op, target: &Target) -> Result<Vec<OpId>> {
    let OpBody::Set { field, .. } = &op.body else { return Ok(Vec::new()) };
    let subject = Subject::read(change, target)?;
    let register = subject.as_ref().and_then(|subject| subject.record().field(field.clone()));
    let heads = register.map(Register::heads).unwrap_or_default();
    Ok(heads.iter().map(|head| head.op).filter(|id| *id != op.id).collect())
}

/// Whether nobody has written since, or what was written since was taken back, so that it is what this wrote once more.
/// What somebody wrote again on purpose is theirs, also where it is the same.
fn is_written_by(register: &Register<Value>, op: &Op, value: &Value, put_back: &HashSet<OpId>) -> bool {
    matches!(register.heads(), [only] if only.op == op.id
        || put_back.contains(&only.op) && only.value == *value)
}

/// Whether this is one of several writes that put a conflict back, and nobody has written since.
fn is_put_beside(register: &Register<Value>, op: &Op, its_own: &HashSet<OpId>) -> bool {
    let heads = register.heads();
    heads.len() > 1
        && heads.iter().any(|head| head.op == op.id)
        && heads.iter().all(|head| its_own.contains(&head.op))
}

/// The values that a write replaced, each once, the one that showed last; several where devices disagreed. None if an
/// operation that it replaced is not known here.
fn replaced_by(change: &mut Change<'_>, op: &Op) -> Result<Option<Vec<Value>>> {
    let OpBody::Set { supersedes, .. } = &op.body else { return Ok(None) };
    let mut replaced = Vec::new();
    for id in supersedes {
        let Some(Op { stamp, body: OpBody::Set { value, .. }, .. }) = change.op(*id)? else {
            return Ok(None);
        };
        replaced.push((stamp, *id, value));
    }
    replaced.sort_by_key(|(stamp, id, _)| (*stamp, *id));
    let mut values: Vec<Value> = Vec::new();
    for (.., value) in replaced.into_iter().rev() {
        if !values.contains(&value) {
            values.insert(0, value);
        }
    }
    Ok(Some(if values.is_empty() { vec![Value::None] } else { values }))
}
