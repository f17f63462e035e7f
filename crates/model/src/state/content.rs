//! What programs know about one content: their findings and the renditions they made.
//!
//! Invariant: nothing that a person typed is in here, and nothing in here is ever a conflict.
//! Specified in sl1-history §7.6.

use crate::cbor::{Decode, Encode, Malformed, MapWriter, Reader, Writer};
use crate::facts::{Facts, ProbeKind};
use crate::ids::Life;
use crate::op::{Op, OpBody};
use crate::original::{Rendition, RenditionKind};

/// Findings and renditions of one content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentState {
    /// Of no life before this does anything count.
    life: Life,
    findings: Vec<Finding>,
    renditions: Vec<Rendition>,
}

/// The finding of one kind of probe that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which program's.
    pub probe: ProbeKind,
    /// The version of its rules.
    pub version: u64,
    /// What it found.
    pub facts: Facts,
}

impl ContentState {
    /// The life that what programs say now is about: 0, or one above the last that was forgotten.
    #[must_use]
    pub fn life(&self) -> Life {
        self.life
    }

    /// The findings, one for each kind of probe.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The finding of one kind of probe.
    #[must_use]
    pub fn finding(&self, probe: ProbeKind) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.probe.code() == probe.code())
    }

    /// All findings as one: a sidecar's facts before the file's own, those before what pixels tell.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let order = [ProbeKind::Sidecar, ProbeKind::Metadata, ProbeKind::Pixels];
        order
            .into_iter()
            .filter_map(|probe| self.finding(probe))
            .fold(Facts::default(), |facts, finding| facts.or(&finding.facts))
    }

    /// All recorded renditions.
    #[must_use]
    pub fn renditions(&self) -> &[Rendition] {
        &self.renditions
    }

    /// The renditions of one kind, newest recipe first.
    pub fn renditions_of(&self, kind: RenditionKind) -> impl Iterator<Item = &Rendition> {
        self.renditions.iter().rev().filter(move |rendition| rendition.kind == kind)
    }

    pub(crate) fn fold(&mut self, op: &Op) -> bool {
        match &op.body {
            OpBody::Forget(forget) => self.begin(Life(forget.contents_life.0.saturating_add(1))),
            OpBody::Derive { life, probe, version, facts, .. } => {
                let changed = self.begin(*life);
                (*life == self.life && self.find(*probe, *version, facts)) || changed
            }
            OpBody::Render { life, renditions, .. } => {
                let changed = self.begin(*life);
                (*life == self.life && self.insert_all(renditions)) || changed
            }
            _ => false,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        let mut changed = self.begin(other.life);
        if other.life < self.life {
            return changed;
        }
        for finding in &other.findings {
            changed |= self.find(finding.probe, finding.version, &finding.facts);
        }
        self.insert_all(&other.renditions) || changed
    }

    /// Whatever was said of earlier lives counts no more.
    fn begin(&mut self, life: Life) -> bool {
        let is_later = life > self.life;
        if is_later {
            *self = Self { life, ..Self::default() };
        }
        is_later
    }

    fn insert_all(&mut self, renditions: &[Rendition]) -> bool {
        let mut changed = false;
        for rendition in renditions {
            changed |= self.insert(*rendition);
        }
        changed
    }

    fn find(&mut self, probe: ProbeKind, version: u64, facts: &Facts) -> bool {
        let place = self.findings.binary_search_by_key(&probe.code(), |finding| finding.probe.code());
        match place {
            Err(place) => {
                self.findings.insert(place, Finding { probe, version, facts: facts.clone() });
                true
            }
            Ok(place) => self.findings.get_mut(place).is_some_and(|known| {
                let wins = match version.cmp(&known.version) {
                    std::cmp::Ordering::Equal => *facts != known.facts && facts.hash() > known.facts.hash(),
                    order => order.is_gt(),
                };
                if wins {
                    *known = Finding { probe, version, facts: facts.clone() };
                }
                wins
            }),
        }
    }

    fn insert(&mut self, rendition: Rendition) -> bool {
        match self.renditions.binary_search(&rendition) {
            Ok(_) => false,
            Err(place) => {
                self.renditions.insert(place, rendition);
                true
            }
        }
    }

    pub(crate) fn encode_entries(&self, map: &mut MapWriter<'_>) {
        map.some_list(0, &self.findings);
        map.some_list(1, &self.renditions);
        map.some(2, Some(&self.life).filter(|life| **life != Life::default()));
    }

    pub(crate) fn decode_entry(&mut self, key: u64, from: &mut Reader<'_>) -> Result<bool, Malformed> {
        match key {
            0 => {
                self.findings = from.list(usize::MAX)?;
                let sorted = self.findings.is_sorted_by(|a, b| a.probe.code() < b.probe.code());
                from.ensure(sorted && !self.findings.is_empty(), "findings ascend by probe")?;
            }
            1 => {
                self.renditions = from.sorted(usize::MAX)?;
                from.ensure(!self.renditions.is_empty(), "an empty list is not written")?;
            }
            2 => {
                self.life = Life::decode(from)?;
                from.ensure(self.life != Life::default(), "the first life is not written")?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `[probe, version, facts]`.
impl Encode for Finding {
    fn encode(&self, to: &mut Writer) {
        to.array(3);
        to.value(&self.probe);
        to.value(&self.version);
        to.value(&self.facts);
    }
}

impl Decode for Finding {
    fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array_of(3)?;
        Ok(Self { probe: ProbeKind::decode(from)?, version: u64::decode(from)?, facts: Facts::decode(from)? })
    }
}
