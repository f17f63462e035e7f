//! Verifies history, and what the small files and the databases of the folder hold.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use safelight_catalog::CheckDepth;
use safelight_crypto::{RootCard, Roster, names, sha256};
use safelight_store::ObjectPath;
use serde::Serialize;

use super::{Damage, VerifyReport, VerifyRequest};
use crate::error::Result;
use crate::library::{Library, catalog_key, device_key};
use crate::log::{LogReading, read_log};
use crate::monitor::Monitor;

/// Larger than any root card or keys file.
const CARD_BYTES: u64 = 1 << 20;

/// What a verification of history found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistoryReport {
    /// Devices whose chains were followed.
    pub devices: u64,
    /// Segments that were checked.
    pub segments: u64,
    /// Operations in them.
    pub operations: u64,
    /// The hash over everything that the history comes to: two devices that know the same show the same.
    pub state_hash: String,
    /// What is damaged or missing.
    pub damaged: Vec<Damage>,
}

impl Library {
    /// Checks every signature and link of the recorded history.
    ///
    /// # Errors
    /// When the history cannot be read at all. What is damaged is in the report.
    pub fn verify_history(&self, _monitor: &dyn Monitor) -> Result<HistoryReport> {
        let reading = self.checked_log()?;
        Ok(HistoryReport {
            devices: reading.devices,
            segments: reading.segments,
            operations: reading.operations,
            state_hash: HEXLOWER.encode(&self.catalog().state_hash()?.0),
            damaged: reading.damaged,
        })
    }

    pub(super) fn verify_log(&self) -> Result<VerifyReport> {
        let reading = self.checked_log()?;
        let mut report = VerifyReport {
            objects: reading.segments,
            bytes: reading.bytes,
            damaged: reading.damaged,
            ..VerifyReport::default()
        };
        if let Some(roster) = &reading.roster {
            self.verify_cards(roster, &mut report)?;
        }
        Ok(report)
    }

    /// The root card by its signature, and every keys file by the hash that its epoch's statement names.
    fn verify_cards(&self, roster: &Roster, report: &mut VerifyReport) -> Result<()> {
        let words = roster.words().id();
        self.verify_card(&names::root_card(&words), report, |bytes| {
            RootCard::open(bytes, &words).map(drop).map_err(|error| error.to_string())
        })?;
        for epoch in roster.epochs() {
            for (recipient, hash) in &epoch.files {
                let name = names::keys_file(&epoch.epoch, recipient);
                let path = ObjectPath::parse(&name).map_err(safelight_store::StoreError::from)?;
                let is_another_device = matches!(recipient, safelight_crypto::Recipient::Device(device)
                    if *device != self.keyring().device().id());
                // Those of other devices rest in remotes; this folder needs none of them.
                if is_another_device
                    && matches!(self.place.open_object(&path), Err(error) if error.is_not_found())
                {
                    continue;
                }
                self.verify_card(&name, report, |bytes| {
                    if sha256(&[bytes]) == *hash {
                        Ok(())
                    } else {
                        Err("it is not the file that was announced".into())
                    }
                })?;
            }
        }
        Ok(())
    }

    fn verify_card(
        &self,
        name: &str,
        report: &mut VerifyReport,
        check: impl FnOnce(&[u8]) -> Result<(), String>,
    ) -> Result<()> {
        let path = ObjectPath::parse(name).map_err(safelight_store::StoreError::from)?;
        let full = PathBuf::from("objects").join(name);
        report.objects += 1;
        let bytes = match self.place.open_object(&path) {
            Ok(object) => object.read_all(CARD_BYTES)?,
            Err(error) => {
                report.damaged.push(Damage::new(full, error.to_string()));
                return Ok(());
            }
        };
        report.bytes += bytes.len() as u64;
        if let Err(reason) = check(&bytes) {
            report.damaged.push(Damage::new(full, reason));
        }
        Ok(())
    }

    /// Reads the log, and compares where it ends with where the catalogue says it does.
    ///
    /// Other processes go on writing meanwhile: the log must reach what was recorded before it was read, and must not
    /// go beyond what is recorded after.
    fn checked_log(&self) -> Result<LogReading> {
        let before: BTreeMap<_, _> = self.catalog().tips()?.into_iter().collect();
        // A segment waits in the catalogue until its file is written, or for the next run after a kill.
        let waiting = self.catalog().outbox()?;
        let mut reading = read_log(&self.place, self.keyring(), &mut |_| Ok(()))?;
        for (device, tip) in self.catalog().tips()? {
            let found = reading.tips.get(&device).copied().unwrap_or_default();
            let reached_before = before.get(&device).copied().unwrap_or_default();
            let is_told = reading.damaged.iter().any(|damage| damage.path.contains(&device.to_string()));
            let is_waiting =
                waiting.iter().any(|segment| segment.device == device && segment.seq.0 == found.seq.0 + 1);
            let has_grown = found.seq > reached_before.seq && found.seq < tip.seq;
            if !(found == tip || found == reached_before || has_grown || is_told || is_waiting) {
                let path =
                    PathBuf::from("objects").join(ObjectPath::segment(device, found.seq.0 + 1).as_str());
                reading.damaged.push(Damage::new(
                    path,
                    format!("it is missing; history goes on to segment {}", tip.seq),
                ));
            }
        }
        Ok(reading)
    }

    /// `library.toml`, the keyring and the key slots, and files that have no business in the folder.
    pub(super) fn verify_small_files(&self) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        if let Err(error) = self.folder.authenticate(self.keyring()) {
            report.damaged.push(Damage::new("library.toml", error.to_string()));
        }
        for damage in self.folder.keys().verify(&self.keys)? {
            report.damaged.push(Damage::new(damage.relative, damage.reason));
        }
        for entry in self.folder.survey()? {
            report.objects += 1;
            report.bytes += entry.length_bytes;
            if !entry.is_known {
                let mut notice = Damage::new(entry.relative, "it is no part of a library");
                notice.is_stray = true;
                report.notices.push(notice);
            }
        }
        Ok(report)
    }

    pub(super) fn verify_databases(&self, request: &VerifyRequest) -> Result<VerifyReport> {
        let depth = if request.quick { CheckDepth::Pages } else { CheckDepth::Structure };
        let mut report = VerifyReport::default();
        let keyring = self.keyring();
        let checks = [
            ("catalog.db", self.catalog().check(&catalog_key(keyring), depth)?),
            ("device.db", self.device.check(&device_key(keyring), depth)?),
        ];
        for (name, findings) in checks {
            report.objects += 1;
            report.damaged.extend(findings.into_iter().map(|finding| Damage::new(name, finding)));
        }
        Ok(report)
    }
}
