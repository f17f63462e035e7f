//! Verifies history, and what the small files and the databases of the folder hold.

use std::path::PathBuf;

use safelight_catalog::CheckDepth;
use safelight_store::ObjectPath;
use serde::Serialize;

use super::{Damage, VerifyReport, VerifyRequest};
use crate::error::Result;
use crate::library::{Library, catalog_key, device_key};
use crate::log::{LogReading, read_log};
use crate::monitor::Monitor;

/// What a verification of history found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HistoryReport {
    /// Devices whose chains were followed.
    pub devices: u64,
    /// Segments that were checked.
    pub segments: u64,
    /// Operations in them.
    pub operations: u64,
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
            damaged: reading.damaged,
        })
    }

    pub(super) fn verify_log(&self) -> Result<VerifyReport> {
        let reading = self.checked_log()?;
        Ok(VerifyReport {
            objects: reading.segments,
            bytes: reading.bytes,
            damaged: reading.damaged,
            ..VerifyReport::default()
        })
    }

    /// Reads the log, and compares where it ends with where the catalogue says it does.
    fn checked_log(&self) -> Result<LogReading> {
        let mut reading = read_log(&self.place, self.keyring(), &mut |_| Ok(()))?;
        for (device, tip) in self.catalog().tips()? {
            let found = reading.tips.get(&device).copied().unwrap_or_default();
            let is_told = reading.damaged.iter().any(|damage| damage.path.contains(&device.to_string()));
            if found != tip && !is_told {
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
                report.notices.push(Damage::new(entry.relative, "it is no part of a library"));
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
