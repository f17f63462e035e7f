//! One content on a few devices and remotes: its states, the steps between them, and what must hold in each.

use stateright::{Model, Property};

use crate::{
    device::{DeviceState, Presence},
    facts::{Device, Fact, Facts, GENERATIONS, MAX_DEVICES, Object},
    rules::{Rule, Rules},
    storage::Storage,
};

/// Property: whoever references the content finds its bytes, at a recorded place or on a device.
pub const LOST: &str = "a referenced content has bytes";
/// Property: a record of a replica that no mark makes void names an object that is there.
pub const RECORD_WITHOUT_OBJECT: &str = "an unmarked record names a present object";
/// Property: where every device has acknowledged every mark, an unmarked replica or a device has the bytes.
pub const UNSAFE_AFTER_ACKNOWLEDGEMENT: &str = "acknowledged marks leave an unmarked replica or a holder";
/// Property: if all active devices sync from here on, every marked object goes and nothing else does.
pub const UNCOLLECTED: &str = "what is marked is collected once all active devices sync";

/// The bounds of one exploration, and the rules in force.
#[derive(Clone, Debug)]
pub struct Library {
    /// Which rules are in force.
    pub rules: Rules,
    /// Devices, at most [`MAX_DEVICES`].
    pub devices: u8,
    /// Remotes, at most [`crate::REMOTES`].
    pub remotes: u8,
    /// Devices that hold the bytes at first, as bits.
    pub holders: u8,
    /// Devices on which a linked file has the bytes, as bits.
    pub linked: u8,
    /// Remotes that have a replica at first, as bits.
    pub replicas: u8,
    /// How many times the content may come in, the first time included.
    pub imports: u8,
    /// How many marks may be written, at most 2 for a remote.
    pub marks: u32,
    /// How many devices may be lapsed.
    pub lapses: u8,
    /// Devices that may be restored from a backup once, as bits.
    pub restores: u8,
    /// Whether users purge.
    pub purges: bool,
    /// Whether devices mark what they could not do without: a mistake that only what follows the mark can catch.
    pub careless: bool,
    /// Whether collection of the rest is checked in every state ([`UNCOLLECTED`]).
    pub liveness: bool,
}

/// Everything at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) devices: [DeviceState; MAX_DEVICES],
    pub(crate) storage: Storage,
}

/// One step of a device, the network or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user imports the content; the device keeps its bytes.
    Import(Device),
    /// A user purges every reference that the device knows.
    Purge(Device),
    /// The device reads another's published history.
    Read(Device, Device),
    /// It publishes its own.
    Publish(Device),
    /// It begins an upload from its bytes, or as a copy of a replica that is still there.
    Upload(Device, Object),
    /// The network carries the upload out, however late.
    Land(Device, Object),
    /// The device sees the object there and records it.
    Record(Device),
    /// It proves a replica present.
    Prove(Device, Object),
    /// It frees its local bytes.
    Free(Device),
    /// It removes its local bytes of a content that nothing references any more.
    Clean(Device),
    /// It marks a replica, or an object that nothing records.
    Mark(Device, Object),
    /// It acknowledges a mark.
    Acknowledge(Device, Object),
    /// It collects: all conditions hold as it sees them, and it sends the deletion.
    Collect(Device, Object),
    /// The remote carries the deletion out, however late, perhaps again.
    Delete(Object),
    /// A device declares that another, of which it has read everything, is not waited for. More time has passed than a
    /// proof lives, and the silent device will notice.
    Lapse(Device, Device),
    /// A silent device publishes that it is back.
    Return(Device),
    /// It reads everything and goes on.
    Resume(Device),
    /// A device's databases are backed up.
    BackUp(Device),
    /// They are restored.
    Restore(Device),
    /// The restored device reads its own published history.
    Adopt(Device),
}

impl State {
    /// Everything that any device has said, published or not.
    pub(crate) fn said(&self) -> Facts {
        self.devices.iter().fold(self.published(), |all, device| all.join(device.view))
    }

    /// Everything that can be read.
    pub(crate) fn published(&self) -> Facts {
        self.devices.iter().fold(Facts::default(), |all, device| all.join(device.published))
    }

    fn held(&self) -> bool {
        self.devices.iter().any(|device| device.local)
    }

    /// Whether some recorded object, among `counted`, is there.
    fn reachable(&self, library: &Library, counted: u8) -> bool {
        Object::all(library.remotes).any(|object| object.bit() & counted != 0 && self.storage.has(object))
    }

    pub(crate) fn has_bytes(&self, library: &Library) -> bool {
        let said = self.said();
        !said.live() || self.held() || self.reachable(library, said.stored())
    }

    fn records_hold(&self, library: &Library) -> bool {
        let replicas = self.said().replicas();
        Object::all(library.remotes).all(|object| object.bit() & replicas == 0 || self.storage.has(object))
    }

    fn safe_after_acknowledgement(&self, library: &Library) -> bool {
        let said = self.said();
        let settled = Object::all(library.remotes)
            .filter(|&object| said.has(Fact::Marked(object)))
            .all(|object| (0..library.devices).all(|device| said.has(Fact::Acknowledged(device, object))));
        !settled || !said.live() || self.held() || self.reachable(library, said.replicas())
    }
}

impl Library {
    /// The first device and the first remote have the content; one mark may be written and nothing else happens beside syncing.
    #[must_use]
    pub const fn new(devices: u8, remotes: u8) -> Self {
        Self {
            rules: Rules::all(),
            devices,
            remotes,
            holders: 0b1,
            linked: 0,
            replicas: 0b1,
            imports: 1,
            marks: 1,
            lapses: 0,
            restores: 0,
            purges: false,
            careless: false,
            liveness: false,
        }
    }

    fn device_numbers(&self) -> impl Iterator<Item = Device> + use<> {
        0..self.devices
    }

    /// Whether other devices' copies or linked files make this device feel safe, where a rule was taken away.
    fn wrongly_counted(&self, state: &State, me: Device) -> (bool, bool) {
        let view = state.devices[me as usize].view;
        let others = self
            .device_numbers()
            .any(|other| other != me && self.holders >> other & 1 != 0 && !view.has(Fact::Freed(other)));
        (
            others && !self.rules.has(Rule::OthersHoldNothing),
            self.linked >> me & 1 != 0 && !self.rules.has(Rule::LinksHoldNothing),
        )
    }

    fn can_do_without(&self, state: &State, me: Device, object: Object) -> bool {
        let (others, linked) = self.wrongly_counted(state, me);
        state.devices[me as usize].can_do_without(object, others, linked)
    }

    /// Whether the device has nothing unpublished, so that whatever it bases a deletion on outlives it.
    fn may_act(&self, state: &State, me: Device) -> bool {
        !self.rules.has(Rule::PublishBeforeActing)
            || state.published().covers(state.devices[me as usize].view)
    }

    fn may_free(&self, state: &State, me: Device) -> bool {
        let device = &state.devices[me as usize];
        let (others, linked) = self.wrongly_counted(state, me);
        let proven = device.proof.is_some()
            || (!self.rules.has(Rule::ProveBeforeFreeing) && device.view.stored() != 0);
        let published = self.may_act(state, me);
        device.local && device.view.live() && (others || linked || (proven && published))
    }

    /// Whether a device may delete a marked object, as far as it knows.
    pub(crate) fn may_collect(&self, state: &State, me: Device, object: Object) -> bool {
        let view = state.devices[me as usize].view;
        let waited = self.device_numbers().all(|other| {
            view.has(Fact::Acknowledged(other, object))
                // Whether a lapsed device is still silent is asked now.
                || (view.lapsed(other) && view.covers(state.devices[other as usize].published))
        });
        view.has(Fact::Marked(object))
            && self.may_act(state, me)
            && (waited || !self.rules.has(Rule::WaitForAcknowledgements))
            && (!self.rules.has(Rule::CheckAgain) || self.can_do_without(state, me, object))
    }

    /// Where a device would upload to next.
    pub(crate) fn next_upload(&self, state: &State, me: Device, remote: u8) -> Option<Object> {
        let device = &state.devices[me as usize];
        let generation = device.view.next_generation(remote);
        let object = Object { remote, generation };
        let busy = device.upload.is_some_and(|it| !device.view.has(Fact::Marked(it)));
        let source = device.local || Object::all(self.remotes).any(|it| state.storage.has(it));
        let wanted = device.view.live() && generation < GENERATIONS && !device.view.has(Fact::Stored(object));
        (wanted && !busy && source).then_some(object)
    }

    fn device_actions(&self, state: &State, me: Device, actions: &mut Vec<Action>) {
        let device = &state.devices[me as usize];
        let view = device.view;
        let said = state.said();
        if !view.live() && said.references() < self.imports {
            actions.push(Action::Import(me));
        }
        if view.live() && self.purges {
            actions.push(Action::Purge(me));
        }
        for other in self.device_numbers() {
            if other != me && !view.covers(state.devices[other as usize].published) {
                actions.push(Action::Read(me, other));
            }
        }
        if !device.published.covers(view) {
            actions.push(Action::Publish(me));
        }
        for remote in 0..self.remotes {
            actions.extend(self.next_upload(state, me, remote).map(|object| Action::Upload(me, object)));
        }
        if device.upload.is_some_and(|it| state.storage.has(it) && !view.has(Fact::Marked(it))) {
            actions.push(Action::Record(me));
        }
        if self.may_free(state, me) {
            actions.push(Action::Free(me));
        }
        if device.local && !view.live() && self.may_act(state, me) {
            actions.push(Action::Clean(me));
        }
        for object in Object::all(self.remotes) {
            self.object_actions(state, me, object, actions);
        }
        for other in self.device_numbers() {
            let silent = &state.devices[other as usize];
            if other != me
                && silent.works()
                && self.lapses_left(said)
                && !said.has(Fact::Lapsed(other))
                && view.covers(silent.published)
            {
                actions.push(Action::Lapse(me, other));
            }
        }
        if self.restores >> me & 1 != 0 && device.backup.is_none() {
            actions.push(Action::BackUp(me));
        }
    }

    fn object_actions(&self, state: &State, me: Device, object: Object, actions: &mut Vec<Action>) {
        let device = &state.devices[me as usize];
        let view = device.view;
        let there = state.storage.has(object);
        if view.has(Fact::Marked(object)) {
            let targeted =
                self.can_do_without(state, me, object) || !self.rules.has(Rule::RetargetBeforeAcknowledging);
            if !view.has(Fact::Acknowledged(me, object)) && targeted {
                actions.push(Action::Acknowledge(me, object));
            }
            if state.storage.deletions & object.bit() == 0 && self.may_collect(state, me, object) {
                actions.push(Action::Collect(me, object));
            }
            return;
        }
        if view.has(Fact::Stored(object)) && there && device.proof.is_none() {
            actions.push(Action::Prove(me, object));
        }
        let orphan = there
            && object.generation == view.next_generation(object.remote)
            && device.upload != Some(object);
        let said = state.said();
        if (view.has(Fact::Stored(object)) || orphan)
            && (said.marks() < self.marks || said.has(Fact::Marked(object)))
            && (self.careless || self.can_do_without(state, me, object))
        {
            actions.push(Action::Mark(me, object));
        }
    }

    fn lapses_left(&self, said: Facts) -> bool {
        let lapsed = self.device_numbers().filter(|&device| said.has(Fact::Lapsed(device))).count();
        lapsed < usize::from(self.lapses)
    }

    fn away_actions(&self, state: &State, me: Device, actions: &mut Vec<Action>) {
        let device = &state.devices[me as usize];
        match device.presence {
            Presence::Silent if self.rules.has(Rule::ReturnBeforeReading) => actions.push(Action::Return(me)),
            Presence::Silent | Presence::Back => actions.push(Action::Resume(me)),
            Presence::Active => actions.push(Action::Adopt(me)),
        }
    }

    /// Carries a step out.
    pub(crate) fn step(&self, state: &mut State, action: Action) {
        let (said, published) = (state.said(), state.published());
        let storage = &mut state.storage;
        match action {
            Action::Land(me, object) => storage.land(me, object),
            Action::Delete(object) => storage.delete(object),
            Action::Collect(_, object) => storage.deletions |= object.bit(),
            Action::Upload(me, object) => {
                storage.send(me, object);
                state.devices[me as usize].upload = Some(object);
            }
            Action::Read(me, other) => {
                let published = state.devices[other as usize].published;
                state.devices[me as usize].read(published);
            }
            Action::Lapse(me, other) => {
                state.devices[me as usize].view.add(Fact::Lapsed(other));
                state.devices[other as usize].presence = Presence::Silent;
            }
            Action::Import(me)
            | Action::Purge(me)
            | Action::Publish(me)
            | Action::Record(me)
            | Action::Prove(me, _)
            | Action::Free(me)
            | Action::Clean(me)
            | Action::Mark(me, _)
            | Action::Acknowledge(me, _)
            | Action::Return(me)
            | Action::Resume(me)
            | Action::BackUp(me)
            | Action::Restore(me)
            | Action::Adopt(me) => {
                self.own_step(&mut state.devices[me as usize], me, action, said, published);
            }
        }
    }

    /// A step that changes only the device that takes it.
    fn own_step(&self, device: &mut DeviceState, me: Device, action: Action, said: Facts, published: Facts) {
        match action {
            Action::Import(_) => {
                device.local = true;
                device.view.add(Fact::Added(said.references()));
            }
            Action::Purge(_) => {
                let live = device.view.live_references();
                (0..3).filter(|n| live >> n & 1 != 0).for_each(|n| device.view.add(Fact::Purged(n)));
            }
            Action::Publish(_) | Action::Return(_) => {
                device.publish(me, said.has(Fact::Lapsed(me)));
                if device.presence == Presence::Silent {
                    device.presence = Presence::Back;
                }
            }
            Action::Record(_) => {
                if let Some(object) = device.upload.take() {
                    device.view.add(Fact::Stored(object));
                }
            }
            Action::Prove(_, object) => device.proof = Some(object),
            Action::Free(_) => {
                device.local = false;
                device.proof = None;
                // Only who counts others' copies asks.
                if !self.rules.has(Rule::OthersHoldNothing) {
                    device.view.add(Fact::Freed(me));
                }
            }
            Action::Clean(_) => device.local = false,
            Action::Mark(_, object) => device.view.add(Fact::Marked(object)),
            Action::Acknowledge(_, object) => device.acknowledge(me, object, self.rules),
            Action::Resume(_) => {
                device.read(published);
                device.resume(self.rules);
            }
            Action::BackUp(_) => device.back_up(),
            Action::Restore(_) => device.restore(self.rules),
            Action::Adopt(_) => device.adopt(),
            Action::Read(..)
            | Action::Upload(..)
            | Action::Land(..)
            | Action::Collect(..)
            | Action::Delete(_)
            | Action::Lapse(..) => {}
        }
    }
}

impl Model for Library {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut history = Facts::default();
        history.add(Fact::Added(0));
        let mut storage = Storage { one_name: !self.rules.has(Rule::NewGeneration), ..Storage::default() };
        for remote in (0..self.remotes).filter(|remote| self.replicas >> remote & 1 != 0) {
            let object = Object { remote, generation: 0 };
            history.add(Fact::Stored(object));
            storage.present |= object.bit();
        }
        let mut devices = [DeviceState::default(); MAX_DEVICES];
        for me in self.device_numbers() {
            let device = &mut devices[me as usize];
            device.view = history;
            device.published = history;
            device.local = self.holders >> me & 1 != 0;
        }
        vec![State { devices, storage }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for me in self.device_numbers() {
            let device = &state.devices[me as usize];
            if device.works() {
                self.device_actions(state, me, actions);
            } else {
                self.away_actions(state, me, actions);
            }
            if device.backup.is_some() && self.restores >> me & 1 != 0 && device.presence == Presence::Active
            {
                actions.push(Action::Restore(me));
            }
            for object in Object::all(self.remotes) {
                if state.storage.sent(me, object) {
                    actions.push(Action::Land(me, object));
                }
            }
        }
        for object in Object::all(self.remotes) {
            if state.storage.deletions & object.bit() != 0 && state.storage.has(object) {
                actions.push(Action::Delete(object));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        self.step(&mut state, action);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(LOST, |library: &Self, state: &State| state.has_bytes(library)),
            Property::always(RECORD_WITHOUT_OBJECT, |library: &Self, state: &State| {
                state.records_hold(library)
            }),
            Property::always(UNSAFE_AFTER_ACKNOWLEDGEMENT, |library: &Self, state: &State| {
                state.safe_after_acknowledgement(library)
            }),
        ];
        if self.liveness {
            properties.push(Property::always(UNCOLLECTED, |library: &Self, state: &State| {
                library.collects_from(state)
            }));
        }
        properties
    }
}
