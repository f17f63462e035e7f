//! A device lets a new one in by a code, step by step, while others go on; either side may be killed at any of them, and then
//! another pairing begins.

use std::collections::BTreeSet;

use safelight_crypto::{DeviceId, Recipient};
use safelight_sync::{Asked, Invitation, Looked, SyncError};

use super::{MOST_PAIRED, World};
use crate::device::{Broken, Newcomer, Stepped};
use crate::place::Bug;

/// Steps that a pairing goes on by at once.
const STEPS_AT_ONCE: usize = 8;
/// Whoever looks in vain so often gives up.
const MOST_LOOKS: u32 = 6;

/// A pairing that is under way.
pub(super) struct Pairing {
    /// Who invites: which device, and in which of its lives; what it holds in memory goes with that.
    inviter: usize,
    life: u64,
    at: usize,
    /// None once it was used.
    invitation: Option<Invitation>,
    asked: Option<Asked>,
    newcomer: Newcomer,
    looks: u32,
}

/// All pairings of a run.
#[derive(Default)]
pub(super) struct Pairings {
    under_way: Option<Pairing>,
    /// Devices that asked.
    asked: BTreeSet<DeviceId>,
    /// Those of them that a person let in.
    agreed: BTreeSet<DeviceId>,
    has_ended_early: bool,
}

/// How a pairing stands after a step.
enum Stand {
    GoesOn,
    /// It comes to nothing.
    Ended(String),
    CameIn,
}

impl World<'_> {
    /// A pairing begins or goes on by a few steps, and others do something in between.
    pub(super) fn pair(&mut self, which: usize) -> Result<(), Broken> {
        for _ in 0..STEPS_AT_ONCE {
            let stand = match self.pairings.under_way.take() {
                None if self.devices.len() >= MOST_PAIRED => return Ok(()),
                None => self.begin_pairing(which)?,
                Some(pairing) => self.go_on_pairing(pairing)?,
            };
            self.check_keys_of_those_who_ask()?;
            match stand {
                Stand::GoesOn => {}
                Stand::CameIn => return Ok(()),
                Stand::Ended(why) => {
                    (self.tell)(format_args!("  the pairing came to nothing: {why}"));
                    self.pairings.has_ended_early = true;
                    return Ok(());
                }
            }
            if self.chance.once_in(6) {
                let other = self.chance.index(self.devices.len());
                (self.tell)(format_args!("  meanwhile {} syncs", self.devices[other]));
                self.sync(other)?;
            }
            if self.chance.once_in(6) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Polls after which somebody is killed, or not.
    fn polls(&mut self) -> Option<u64> {
        self.chance.once_in(8).then(|| self.chance.below(60))
    }

    fn begin_pairing(&mut self, which: usize) -> Result<Stand, Broken> {
        let (at, polls) = (self.some_place(), self.polls());
        let (device, (_, store)) = (&mut self.devices[which], &self.places[at]);
        let invitation = match device.invite(store, polls)? {
            Some(Ok(invitation)) => invitation,
            refused => return Ok(Stand::Ended(why(refused))),
        };
        let newcomer = Newcomer::new(&mut self.chance, device.now);
        let (life, invitation) = (device.life, Some(invitation));
        let pairing = Pairing { inviter: which, life, at, invitation, asked: None, newcomer, looks: 0 };
        self.pairings.under_way = Some(pairing);
        Ok(Stand::GoesOn)
    }

    /// The next step of whoever's turn it is.
    fn go_on_pairing(&mut self, mut pairing: Pairing) -> Result<Stand, Broken> {
        pairing.looks += 1;
        if pairing.looks > MOST_LOOKS * 2 {
            return Ok(Stand::Ended("nobody answers".to_owned()));
        }
        let polls = self.polls();
        let stepped = if pairing.newcomer.asking.is_none() {
            self.ask(&mut pairing, polls)
        } else if pairing.asked.is_none() {
            self.look_for_ask(&mut pairing, polls)?
        } else if pairing.newcomer.words.is_none() {
            let stepped = pairing.newcomer.listen(&self.places[pairing.at].1, polls);
            check_words(&pairing)?;
            stepped
        } else if let Some(invitation) = pairing.invitation.take() {
            self.agree(&mut pairing, invitation, polls)?
        } else if pairing.newcomer.welcome.is_none() {
            pairing.newcomer.listen(&self.places[pairing.at].1, polls)
        } else {
            return self.come_in(pairing, polls);
        };
        self.stand_after(pairing, stepped)
    }

    /// Whether a pairing goes on after a step: not if somebody was killed or refused; what the place refuses is tried again.
    fn stand_after(&mut self, pairing: Pairing, stepped: Stepped<()>) -> Result<Stand, Broken> {
        match stepped {
            Some(Ok(())) => {}
            Some(Err(error)) if !matches!(error, SyncError::Pairing(_)) => {
                (self.tell)(format_args!("  the pairing goes on: {error}"));
            }
            ended => return Ok(Stand::Ended(why(ended))),
        }
        self.pairings.under_way = Some(pairing);
        Ok(Stand::GoesOn)
    }

    fn ask(&mut self, pairing: &mut Pairing, polls: Option<u64>) -> Stepped<()> {
        let invitation = pairing.invitation.as_ref()?;
        let stepped = pairing.newcomer.ask(&self.places[pairing.at].1, invitation.code(), polls);
        self.pairings.asked.extend(pairing.newcomer.asking.as_ref().map(|asking| asking.device().id()));
        stepped
    }

    fn look_for_ask(&mut self, pairing: &mut Pairing, polls: Option<u64>) -> Result<Stepped<()>, Broken> {
        let Some(device) = self.devices.get_mut(pairing.inviter).filter(|device| device.life == pairing.life)
        else {
            return Ok(None);
        };
        let Some(invitation) = &mut pairing.invitation else { return Ok(None) };
        let looked = device.look_for_ask(&self.places[pairing.at].1, invitation, polls)?;
        if let (Some(Ok(Looked::Asked(_))), Some(asking), Some(Bug::KeysBeforeAgreement)) =
            (&looked, &pairing.newcomer.asking, self.bug)
        {
            device.wrap_for_who_asks(asking)?;
        }
        Ok(looked.map(|result| {
            result.map(|looked| {
                if let Looked::Asked(asked) = looked {
                    pairing.asked = Some(*asked);
                }
            })
        }))
    }

    /// A person says on the device that invites that both show the same words.
    fn agree(
        &mut self,
        pairing: &mut Pairing,
        invitation: Invitation,
        polls: Option<u64>,
    ) -> Result<Stepped<()>, Broken> {
        let Some(device) = self.devices.get_mut(pairing.inviter).filter(|device| device.life == pairing.life)
        else {
            return Ok(None);
        };
        let Some(asked) = &pairing.asked else { return Ok(None) };
        self.pairings.agreed.insert(asked.device());
        let admitted = device.admit(&self.places[pairing.at].1, invitation, asked, polls)?;
        // Whoever was killed after it was said to the new device has let it in.
        (self.tell)(format_args!("  admitted: {admitted:?}"));
        Ok(Some(Ok(())))
    }

    /// The new device takes the library in.
    fn come_in(&mut self, mut pairing: Pairing, polls: Option<u64>) -> Result<Stand, Broken> {
        let came = pairing.newcomer.come_in(&self.places[pairing.at].1, polls)?;
        let stepped = match came {
            Some(Ok(device)) => {
                self.devices.push(device.with_bug(self.bug));
                self.trust.seen.pairings += 1;
                self.trust.seen.pairings_repeated += u64::from(self.pairings.has_ended_early);
                return Ok(Stand::CameIn);
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        };
        self.stand_after(pairing, stepped)
    }

    /// No secret is wrapped to a device that only asks.
    fn check_keys_of_those_who_ask(&mut self) -> Result<(), Broken> {
        for asked in self.pairings.asked.difference(&self.pairings.agreed) {
            let recipient = Recipient::Device(*asked);
            let end = format!("/{recipient}");
            let mut is_there = false;
            for (place, _) in &self.places {
                is_there |=
                    place.objects().keys().any(|name| name.starts_with("keys/") && name.ends_with(&end));
            }
            for device in &mut self.devices {
                is_there |= device.has_keys_for(&recipient)?;
            }
            if is_there {
                return Err(format!("there are keys for {recipient}, which nobody let in").into());
            }
        }
        Ok(())
    }
}

/// Both sides show the same words, and each means the other.
fn check_words(pairing: &Pairing) -> Result<(), Broken> {
    let (Some(asked), Some(asking)) = (&pairing.asked, &pairing.newcomer.asking) else { return Ok(()) };
    match &pairing.newcomer.words {
        Some(words) if *words != asked.six_words || asked.device() != asking.device().id() => {
            Err("the two sides of a pairing show different words".into())
        }
        _ => Ok(()),
    }
}

fn why<T>(stepped: Stepped<T>) -> String {
    match stepped {
        None => "somebody was killed".to_owned(),
        Some(Ok(_)) => "it is over".to_owned(),
        Some(Err(error)) => error.to_string(),
    }
}
