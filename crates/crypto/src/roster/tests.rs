use super::*;
use crate::device::Device;
use crate::entropy::SeededEntropy;
use crate::statement::Author;
use crate::words::RecoveryWords;

struct House {
    words: RecoveryWords,
    library: LibraryId,
    laptop: Device,
    phone: Device,
    statements: Vec<Statement>,
}

impl House {
    /// A library with two devices and an epoch for both.
    fn new() -> Self {
        let mut entropy = SeededEntropy::new(60);
        let words = RecoveryWords::generate(&mut entropy);
        let (laptop, phone) = (Device::generate(&mut entropy), Device::generate(&mut entropy));
        let mut house = Self { library: words.library_id(), words, laptop, phone, statements: Vec::new() };
        let birth = StatementBody::Root(house.words.card());
        let first =
            Statement::sign(Author::Words(&house.words), house.library, 1, &[], &birth).expect("signs");
        house.statements.push(first);
        house.words_say(2, &StatementBody::Admit(house.laptop.card().clone()));
        house.laptop_says(3, &StatementBody::Admit(house.phone.card().clone()));
        let files = house.roster().recipients().into_iter().map(|recipient| (recipient, [1; 32])).collect();
        house.laptop_says(4, &StatementBody::Epoch { epoch: EpochId::from_bytes([1; 16]), files });
        house
    }

    fn roster(&self) -> Roster {
        Roster::replay(self.library, &self.statements).expect("there is a birth")
    }

    fn words_say(&mut self, millis: u64, body: &StatementBody) {
        let heads =
            if self.statements.len() == 1 { vec![self.statements[0].id()] } else { self.roster().heads() };
        self.statements.push(self.statement(Author::Words(&self.words), millis, &heads, body));
    }

    fn laptop_says(&mut self, millis: u64, body: &StatementBody) {
        let heads = self.roster().heads();
        self.statements.push(self.statement(Author::Device(&self.laptop), millis, &heads, body));
    }

    fn statement(
        &self,
        author: Author<'_>,
        millis: u64,
        after: &[StatementId],
        body: &StatementBody,
    ) -> Statement {
        Statement::sign(author, self.library, millis, after, body).expect("signs")
    }

    fn revoke_phone(&self, millis: u64) -> Statement {
        let body = StatementBody::Revoke { device: self.phone.id(), last_seq: 7, last_root: [9; 32] };
        self.statement(Author::Device(&self.laptop), millis, &self.roster().heads(), &body)
    }
}

#[test]
fn a_library_has_its_devices_and_an_epoch_to_seal_under() {
    let roster = House::new().roster();
    assert_eq!(roster.members().len(), 2);
    assert!(roster.refused().is_empty());
    assert_eq!(roster.sealing_epoch().map(|epoch| epoch.epoch), Some(EpochId::from_bytes([1; 16])));
    assert_eq!(roster.recipients().len(), 3);
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    let mut house = House::new();
    let revoke = house.revoke_phone(9);
    let heads = house.roster().heads();
    let feature = StatementBody::RequireFeature("erasure".to_owned());
    let concurrent = house.statement(Author::Device(&house.phone), 8, &heads, &feature);
    house.statements.extend([concurrent, revoke]);
    let roster = house.roster();
    house.statements.reverse();
    assert_eq!(house.roster(), roster);
    house.statements.rotate_left(3);
    assert_eq!(house.roster(), roster);
}

#[test]
fn after_a_revocation_the_device_has_no_say_and_the_epoch_is_over() {
    let mut house = House::new();
    let heads = house.roster().heads();
    house.statements.push(house.revoke_phone(9));
    // The phone knew nothing of it and even pretends to be earlier.
    let body = StatementBody::RequireFeature("trap".to_owned());
    house.statements.push(house.statement(Author::Device(&house.phone), 1, &heads, &body));
    let roster = house.roster();
    assert!(matches!(
        roster.member(&house.phone.id()).map(|member| member.standing),
        Some(Standing::Revoked { last_seq: 7, .. })
    ));
    assert!(roster.features().is_empty());
    assert_eq!(roster.refused().len(), 1);
    assert!(roster.sealing_epoch().is_none());
    assert!(!roster.recipients().contains(&Recipient::Device(house.phone.id())));
}

/// The files of an epoch, by recipient, in their order.
fn announced(epoch: u8, recipients: &[Recipient]) -> StatementBody {
    let mut files: Vec<_> = recipients.iter().map(|recipient| (*recipient, [epoch; 32])).collect();
    files.sort_unstable_by_key(|(recipient, _)| *recipient);
    StatementBody::Epoch { epoch: EpochId::from_bytes([epoch; 16]), files }
}

#[test]
fn an_epoch_from_before_somebody_came_is_over_with_it_when_it_leaves() {
    let mut house = House::new();
    let words = Recipient::Words(house.words.library_id());
    let (laptop, phone) = (Recipient::Device(house.laptop.id()), Recipient::Device(house.phone.id()));
    // Of the second nothing names the phone; with the third it was given all three.
    house.laptop_says(5, &announced(2, &[words, laptop]));
    house.laptop_says(6, &announced(3, &[words, laptop, phone]));
    assert_eq!(house.roster().sealing_epoch().map(|epoch| epoch.epoch), Some(EpochId::from_bytes([3; 16])));
    house.statements.push(house.revoke_phone(9));
    let roster = house.roster();
    assert!(roster.sealing_epoch().is_none(), "{:?}", roster.sealing_epoch());
    assert!(!roster.may_seal_under(&EpochId::from_bytes([2; 16])));
    house.laptop_says(10, &announced(4, &[words, laptop]));
    let roster = house.roster();
    assert_eq!(roster.sealing_epoch().map(|epoch| epoch.epoch), Some(EpochId::from_bytes([4; 16])));
    assert!(!roster.may_seal_under(&EpochId::from_bytes([2; 16])));
    assert!(!roster.may_seal_under(&EpochId::from_bytes([9; 16])), "nobody announced it");
}

#[test]
fn strangers_and_forged_signatures_are_listed_and_change_nothing() {
    let mut house = House::new();
    let before = house.roster();
    let stranger = Device::generate(&mut SeededEntropy::new(61));
    let admit = StatementBody::Admit(stranger.card().clone());
    house.statements.push(house.statement(Author::Device(&stranger), 5, &before.heads(), &admit));
    let mut forged =
        house.statement(Author::Device(&house.laptop), 5, &before.heads(), &admit).as_bytes().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    house.statements.push(Statement::from_bytes(&forged).expect("parses"));
    let roster = house.roster();
    assert_eq!(roster.members(), before.members());
    assert_eq!(roster.refused().len(), 2);
}

#[test]
fn new_words_take_over_from_the_old() {
    let mut house = House::new();
    let new_words = RecoveryWords::generate(&mut SeededEntropy::new(62));
    let heads = house.roster().heads();
    let replace = StatementBody::Root(new_words.card());
    house.statements.push(house.statement(Author::Words(&house.words), 6, &heads, &replace));
    let roster = house.roster();
    assert_eq!(*roster.words(), new_words.card());
    let body = StatementBody::RequireFeature("old".to_owned());
    house.statements.push(house.statement(Author::Words(&house.words), 7, &roster.heads(), &body));
    assert_eq!(house.roster().refused().len(), 1);
    assert!(roster.sealing_epoch().is_none(), "the epoch was wrapped to the old words");
}

#[test]
fn it_is_known_when_words_were_replaced() {
    let mut house = House::new();
    let (first, never) = (house.words.clone(), RecoveryWords::generate(&mut SeededEntropy::new(64)));
    let id = |words: &RecoveryWords| words.library_id();
    assert_eq!((house.roster().words_since(), house.roster().words_replaced(&id(&first))), (None, None));
    let (second, third) = (
        RecoveryWords::generate(&mut SeededEntropy::new(65)),
        RecoveryWords::generate(&mut SeededEntropy::new(66)),
    );
    for (millis, next) in [(6, &second), (9, &third)] {
        house.words_say(millis, &StatementBody::Root(next.card()));
        house.words = next.clone();
    }
    let roster = house.roster();
    assert_eq!((roster.words().id(), roster.words_since()), (id(&third), Some(9)));
    let replaced = [&first, &second, &third, &never].map(|words| roster.words_replaced(&id(words)));
    assert_eq!(replaced, [Some(6), Some(9), None, None]);
}

#[test]
fn of_two_that_replace_the_words_at_once_the_earlier_counts_wherever_they_arrive() {
    let mut house = House::new();
    let heads = house.roster().heads();
    let new = |seed| RecoveryWords::generate(&mut SeededEntropy::new(seed));
    let replace = |house: &House, millis, words: &RecoveryWords| {
        let body = StatementBody::Root(words.card());
        house.statement(Author::Words(&house.words), millis, &heads, &body)
    };
    let (earlier, later) = (new(67), new(68));
    let statements = [replace(&house, 7, &later), replace(&house, 6, &earlier)];
    // What comes with each: an epoch for the words that it names.
    let begins = |house: &House, replaced: &Statement, words: &RecoveryWords, number: u8| {
        let own = [Recipient::Device(house.laptop.id()), Recipient::Device(house.phone.id())];
        let recipients: BTreeSet<_> = own.into_iter().chain([Recipient::Words(words.library_id())]).collect();
        let files = recipients.into_iter().map(|recipient| (recipient, [number; 32])).collect();
        let body = StatementBody::Epoch { epoch: EpochId::from_bytes([number; 16]), files };
        house.statement(Author::Device(&house.laptop), 8, &[replaced.id()], &body)
    };
    let epochs = [begins(&house, &statements[0], &later, 2), begins(&house, &statements[1], &earlier, 3)];
    let [late, early] = statements;
    let refused = late.id();
    house.statements.extend([late, early]);
    house.statements.extend(epochs);
    for _ in 0..house.statements.len() {
        let roster = house.roster();
        assert_eq!((roster.words().id(), roster.words_since()), (earlier.library_id(), Some(6)));
        assert_eq!(roster.refused().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [refused]);
        // The words that do not count may come last: then neither is sealed under, and somebody starts another.
        assert!(!roster.may_seal_under(&EpochId::from_bytes([2; 16])));
        assert!(roster.sealing_epoch().is_none_or(|epoch| epoch.epoch == EpochId::from_bytes([3; 16])));
        house.statements.rotate_left(1);
    }
    // At one moment the smaller id counts.
    let mut house = House::new();
    let mut equal = [replace(&house, 6, &earlier), replace(&house, 6, &later)];
    equal.sort_by_key(Statement::id);
    let is_earlier = *equal[0].body() == StatementBody::Root(earlier.card());
    let expected = if is_earlier { earlier.card() } else { later.card() };
    house.statements.extend(equal);
    for _ in 0..house.statements.len() {
        assert_eq!(*house.roster().words(), expected);
        house.statements.rotate_left(1);
    }
}

#[test]
fn a_device_cannot_put_new_words_in_force() {
    let mut house = House::new();
    let own_words = RecoveryWords::generate(&mut SeededEntropy::new(63));
    house.laptop_says(6, &StatementBody::Root(own_words.card()));
    let roster = house.roster();
    assert_eq!(*roster.words(), house.words.card());
    assert_eq!(roster.refused().len(), 1, "{:?}", roster.refused());
    assert!(roster.recipients().contains(&Recipient::Words(house.words.library_id())));
    assert!(roster.sealing_epoch().is_some());
}

#[test]
fn a_statement_that_names_a_missing_one_waits() {
    let mut house = House::new();
    let missing = house.statements.remove(2);
    let roster = house.roster();
    assert_eq!(roster.members().len(), 1);
    assert!(roster.refused().iter().all(|(_, fault)| *fault == Fault::MissingStatement));
    house.statements.push(missing);
    assert!(house.roster().refused().is_empty());
}

#[test]
fn an_unknown_kind_is_kept_and_named() {
    let mut house = House::new();
    house.laptop_says(6, &StatementBody::Unknown { kind: 900, bytes: vec![1, 2] });
    assert_eq!(house.roster().unknown_kinds().iter().copied().collect::<Vec<_>>(), [900]);
}

#[test]
fn a_library_without_its_birth_has_no_roster() {
    let mut house = House::new();
    house.statements.remove(0);
    assert!(Roster::replay(house.library, &house.statements).is_none());
}
