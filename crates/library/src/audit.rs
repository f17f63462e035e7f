//! History for whoever has to check it without Safelight: each entry with what its device signed.
//!
//! An export names every segment of every chain with its signature and the hashes of all of its entries; what was asked for
//! stands there in full, with the salt that makes its hash. So what nobody asked for can be left out, and nothing else.
//! Shape: docs/guide/audit.md; `recover/audit_verify.py` checks it.

use std::io::Write;

use data_encoding::HEXLOWER;
use safelight_crypto::{DeviceId, Domain, Sha256};
use safelight_model::{Op, Segment};
use serde::Serialize;
use serde_json::{Value, json};

use crate::devices::DeviceNames;
use crate::error::{LibraryError, Result};
use crate::history::{HistoryFilter, HistorySort, Sieve, sentence, shown_time};
use crate::library::Library;
use crate::log::read_log;
use crate::verify::Damage;

/// The columns of a table.
const COLUMNS: &str = "when,device,device_name,sort,what,op\n";

/// How history is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditShape {
    /// JSON, an object a line, with all that proves it.
    Lines,
    /// A table for people, signed by this device alone.
    Table,
}

/// What an export of history came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Devices whose chains are in it.
    pub devices: u64,
    /// Their segments.
    pub segments: u64,
    /// Operations that are in it in full.
    pub operations: u64,
    /// Operations that are in it as their hashes: nobody asked for them, or they were forgotten.
    pub left_out: u64,
    /// The signature over a table, which stands beside it: JSON.
    #[serde(skip)]
    pub signature: Option<String>,
    /// Segments that are missing in it, because they are damaged here.
    pub damaged: Vec<Damage>,
}

impl Library {
    /// Writes history out, checked, signed and such that it can be checked again by anybody.
    ///
    /// # Errors
    /// [`LibraryError::NoSuchDevice`]; what the output answers. What is damaged is in the report.
    pub fn export_audit(
        &self,
        filter: &HistoryFilter,
        shape: AuditShape,
        output: &mut dyn Write,
    ) -> Result<AuditReport> {
        let (sieve, names) = (self.sieve(filter)?, self.device_names()?);
        let mut signing = Signing { output, hasher: Sha256::new() };
        let mut report = AuditReport::default();
        match shape {
            AuditShape::Lines => {
                for line in self.audit_head(&names)? {
                    signing.line(&line)?;
                }
            }
            AuditShape::Table => signing.put(COLUMNS.as_bytes())?,
        }
        let reading = read_log(&self.place, self.keyring(), &mut |segment| {
            let written = match shape {
                AuditShape::Lines => write_segment(&segment, &sieve, &names, &mut signing),
                AuditShape::Table => write_rows(&segment, &sieve, &names, &mut signing),
            };
            let in_full = written?;
            report.operations += in_full;
            report.left_out += segment.len() as u64 - in_full;
            Ok(())
        })?;
        (report.devices, report.segments, report.damaged) =
            (reading.devices, reading.segments, reading.damaged);
        let device = self.keyring().device();
        let digest = signing.hasher.clone().finish();
        let end = json!({
            "sha256": HEXLOWER.encode(&digest),
            "device": device.id().to_string(),
            "verifying_key": HEXLOWER.encode(device.card().verifying_key().as_bytes()),
            "signature": HEXLOWER.encode(device.sign(Domain::Export, &digest).as_bytes()),
        });
        match shape {
            AuditShape::Lines => signing.line(&end)?,
            AuditShape::Table => report.signature = Some(format!("{end}\n")),
        }
        signing.output.flush().map_err(LibraryError::writing_output)?;
        Ok(report)
    }

    /// What the file is, and the keys that its signatures are of, as the statements in history name them.
    fn audit_head(&self, names: &DeviceNames) -> Result<Vec<Value>> {
        let mut lines = vec![json!({
            "safelight_audit": 1,
            "library": HEXLOWER.encode(self.id().as_bytes()),
            "exported": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })];
        let roster = self.catalog().roster(self.id())?;
        for (id, member) in roster.iter().flat_map(|roster| roster.members()) {
            lines.push(json!({
                "device": id.to_string(),
                "name": names.of(*id),
                "verifying_key": HEXLOWER.encode(member.card.verifying_key().as_bytes()),
                "kem_key": HEXLOWER.encode(member.card.kem_public().as_bytes()),
            }));
        }
        Ok(lines)
    }
}

/// An output, and the hash of what went into it.
struct Signing<'a> {
    output: &'a mut dyn Write,
    hasher: Sha256,
}

impl Signing<'_> {
    fn line(&mut self, line: &Value) -> Result<()> {
        self.put(format!("{line}\n").as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.output.write_all(bytes).map_err(LibraryError::writing_output)
    }
}

/// A segment with what proves it, and the entries that were asked for. Answers how many those are.
fn write_segment(
    segment: &Segment,
    sieve: &Sieve,
    names: &DeviceNames,
    signing: &mut Signing<'_>,
) -> Result<u64> {
    let (clear, evidence) = (segment.clear(), segment.evidence());
    let leaves: Vec<String> = evidence.leaves.iter().map(|leaf| HEXLOWER.encode(leaf)).collect();
    signing.line(&json!({
        "segment": clear.seq.0,
        "device": clear.device.to_string(),
        "signed": HEXLOWER.encode(&evidence.signed),
        "header": HEXLOWER.encode(&evidence.header),
        "header_salt": HEXLOWER.encode(&evidence.header_salt),
        "leaves": leaves,
    }))?;
    let mut in_full = 0;
    for (number, salt, bytes) in segment.salted_ops() {
        let Ok(op) = Op::from_bytes(bytes) else { continue };
        if !sieve.lets_through(clear.device, &op) {
            continue;
        }
        let mut line = told(&op, clear.device, names);
        line["entry"] = number.into();
        line["salt"] = HEXLOWER.encode(salt).into();
        line["bytes"] = HEXLOWER.encode(bytes).into();
        signing.line(&line)?;
        in_full += 1;
    }
    Ok(in_full)
}

fn told(op: &Op, device: DeviceId, names: &DeviceNames) -> Value {
    json!({
        "op": op.id.to_string(),
        "when": when(op),
        "device": device.to_string(),
        "device_name": names.of(device),
        "sort": HistorySort::of(op).word(),
        "what": sentence(op),
    })
}

fn when(op: &Op) -> String {
    format!("{}Z", shown_time(op.stamp.millis).replacen(' ', "T", 1))
}

fn write_rows(
    segment: &Segment,
    sieve: &Sieve,
    names: &DeviceNames,
    signing: &mut Signing<'_>,
) -> Result<u64> {
    let device = segment.clear().device;
    let mut rows = 0;
    for op in segment.ops().flatten().filter(|op| sieve.lets_through(device, op)) {
        let name = names.of(device).unwrap_or_default();
        let cells = [
            when(&op),
            device.to_string(),
            name,
            HistorySort::of(&op).word().to_owned(),
            sentence(&op),
            op.id.to_string(),
        ];
        signing.put(format!("{}\n", cells.map(|cell| quoted(&cell)).join(",")).as_bytes())?;
        rows += 1;
    }
    Ok(rows)
}

/// A cell of a table (RFC 4180). One that a spreadsheet would compute is text.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text_to_spreadsheets() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
