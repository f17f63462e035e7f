//! The query language as a table: what each text means, and what is said about mistakes.

use proptest::prelude::*;

use super::*;

fn only(text: &str) -> Condition {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)));
    assert_eq!(query.terms.len(), 1, "{text}: {query:?}");
    query.terms[0].condition.clone()
}

fn fails(text: &str) -> (String, String) {
    let error = Query::parse(text).expect_err(text);
    (text[error.span.clone()].to_owned(), error.to_string())
}

fn words(text: &str) -> Condition {
    Condition::Text { field: TextField::Any, text: text.to_owned(), prefix: false }
}

fn bound<T>(from: Option<T>, to: Option<T>) -> Bound<T> {
    Bound { from, to }
}

fn dates(text: &str) -> (String, String) {
    let Condition::Date(range) = only(text) else { panic!("{text} is no date") };
    let show = |date: Option<jiff::civil::DateTime>| date.map(|date| date.to_string()).unwrap_or_default();
    (show(range.from), show(range.until))
}

#[test]
fn words_quotes_and_exclusions_are_terms() {
    let query = Query::parse("beach  \"golden hour\" -crowd sun*").unwrap();
    let conditions: Vec<_> = query.terms.iter().map(|term| (term.negated, term.condition.clone())).collect();
    let begins = Condition::Text { field: TextField::Any, text: "sun".into(), prefix: true };
    assert_eq!(
        conditions,
        [(false, words("beach")), (false, words("golden hour")), (true, words("crowd")), (false, begins)]
    );
    assert_eq!(query.terms[2].span, 21..27);
}

#[test]
fn nothing_typed_matches_everything() {
    assert!(Query::parse("").unwrap().is_empty());
    assert!(Query::parse(" \t\n ").unwrap().is_empty());
}

#[test]
fn quotes_take_spaces_colons_stars_and_dashes_literally() {
    assert_eq!(only("\"date: 2*\""), words("date: 2*"));
    assert_eq!(only("“Große Straße”"), words("Große Straße"));
    assert_eq!(only("\"-1\""), words("-1"));
    assert_eq!(only(r#""say \"cheese\"""#), words("say \"cheese\""));
    assert_eq!(only(r#""C:\Users""#), words(r"C:\Users"));
}

#[test]
fn a_key_takes_a_quoted_value() {
    assert_eq!(only("tag:\"new york\""), Condition::Tag { name: "new york".into(), prefix: false });
    assert_eq!(only("ALBUM:Sum*"), Condition::Album { name: "Sum".into(), prefix: true });
    let camera = Condition::Text { field: TextField::Camera, text: "EOS R6".into(), prefix: false };
    assert_eq!(only("camera:\"EOS R6\""), camera);
}

#[test]
fn times_and_addresses_are_words_not_keys() {
    assert_eq!(only("12:30"), words("12:30"));
    assert_eq!(only("https://example.org"), words("https://example.org"));
}

#[test]
fn dates_stand_for_all_their_days() {
    let table = [
        ("date:2023", "2023-01-01T00:00:00", "2024-01-01T00:00:00"),
        ("date:2023-12", "2023-12-01T00:00:00", "2024-01-01T00:00:00"),
        ("date:2024-02-29", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("date:2023-05..2023-07", "2023-05-01T00:00:00", "2023-08-01T00:00:00"),
        ("date:2023-5-9..2024", "2023-05-09T00:00:00", "2025-01-01T00:00:00"),
        ("date:2023..", "2023-01-01T00:00:00", ""),
        ("date:..2023", "", "2024-01-01T00:00:00"),
        ("date:>=2023-05", "2023-05-01T00:00:00", ""),
        ("date:>2023-05", "2023-06-01T00:00:00", ""),
        ("date:<2023-05", "", "2023-05-01T00:00:00"),
        ("date:<=2023-05", "", "2023-06-01T00:00:00"),
    ];
    for (text, from, until) in table {
        assert_eq!(dates(text), (from.to_owned(), until.to_owned()), "{text}");
    }
}

#[test]
fn a_size_alone_is_about_and_compared_is_exact() {
    let table = [
        ("size:>5MB", Some(5_000_001), None),
        ("size:>=5MB", Some(5_000_000), None),
        ("size:<1KB", None, Some(999)),
        ("size:<=1KB", None, Some(1_000)),
        ("size:5MB", Some(5_000_000), Some(5_999_999)),
        ("size:1.5MB", Some(1_500_000), Some(1_599_999)),
        ("size:1MiB..2MiB", Some(1 << 20), Some(2 << 20)),
        ("size:300", Some(300), Some(300)),
        ("size:..10k", None, Some(10_000)),
        ("size:0.5kB", Some(500), Some(599)),
    ];
    for (text, from, to) in table {
        assert_eq!(only(text), Condition::Size(bound(from, to)), "{text}");
    }
}

#[test]
fn ratings_go_from_0_to_5() {
    assert_eq!(only("rating:>=4"), Condition::Rating(bound(Some(4), None)));
    assert_eq!(only("rating:3..5"), Condition::Rating(bound(Some(3), Some(5))));
    assert_eq!(only("rating:0"), Condition::Rating(bound(Some(0), Some(0))));
    assert_eq!(only("rating:>4"), Condition::Rating(bound(Some(5), None)));
    assert_eq!(fails("rating:6").0, "6");
    assert_eq!(fails("rating:<0").1, "the range ends before it begins");
}

#[test]
fn positions_have_a_distance() {
    let near = |metres| Condition::Near { latitude: 48.85, longitude: -2.35, metres };
    assert_eq!(only("near:48.85,-2.35,10km"), near(10_000.0));
    assert_eq!(only("near:48.85,-2.35"), near(1_000.0));
    assert_eq!(only("near:\"48.85, -2.35, 500 m\""), near(500.0));
    assert_eq!(fails("near:98.85,2.35,10km").0, "98.85");
    assert_eq!(fails("near:48.85,2.35,10parsec").0, "10parsec");
    assert_eq!(fails("near:Paris").0, "Paris");
    assert_eq!(fails("near:nan,2.35").0, "nan");
}

#[test]
fn states_types_and_parts_are_words_of_a_list() {
    assert_eq!(only("is:favorite"), Condition::Is(State::Favourite));
    assert_eq!(only("IS:Duplicate"), Condition::Is(State::Duplicate));
    assert_eq!(only("type:raw"), Condition::Type(TypeFilter::Raw));
    assert_eq!(only("has:gps"), Condition::Has(Part::Gps));
    assert_eq!(only("has:place"), Condition::Has(Part::Place));
    assert_eq!(only("format:HEIC"), Condition::Format("heic".into()));
}

#[test]
fn an_error_points_at_the_word_and_says_what_to_do() {
    let table = [
        ("beach \"golden", "\"", "the quotation mark is never closed"),
        ("camrea:canon", "camrea", "there is no filter `camrea:`; did you mean `camera:`?"),
        ("foo:bar", "foo", "there is no filter `foo:`"),
        ("beach camera: canon", "camera:", "`camera:` needs a value, such as `camera:canon`"),
        ("a - b", "-", "`-` excludes the word that follows it without a space"),
        ("beach ...", "...", "there is no letter or digit here to look for"),
        (
            "date:2023-13",
            "2023-13",
            "a date is a year, a month or a day, or a range of them, such as `date:2023-05..2023-07`",
        ),
        (
            "date:2023..may",
            "may",
            "a date is a year, a month or a day, or a range of them, such as `date:2023-05..2023-07`",
        ),
        ("date:2024..2023", "2024..2023", "the range ends before it begins"),
        ("size:>5XB", "5XB", "a size is a number with B, KB, MB, GB, KiB, MiB or GiB, such as `size:>5MB`"),
    ];
    for (text, word, message) in table {
        assert_eq!(fails(text), (word.to_owned(), message.to_owned()), "{text}");
    }
    let (word, message) = fails("-is:favourit");
    assert_eq!(word, "favourit");
    assert!(message.ends_with("did you mean `favourite`?"), "{message}");
}

#[test]
fn carets_stand_under_the_word_also_after_wide_letters() {
    let text = "東京 type:vidoe x";
    let error = Query::parse(text).unwrap_err();
    let lines: Vec<_> = error.render(text).lines().map(str::to_owned).collect();
    assert_eq!(lines[1], "          ^^^^^");
}

proptest! {
    #[test]
    fn no_text_panics_and_every_error_has_its_word(text in "\\PC{0,40}") {
        if let Err(error) = Query::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some());
            prop_assert_eq!(error.render(&text).lines().count(), 3);
        }
    }

    #[test]
    fn no_filter_panics(key in "(date|size|rating|near|tag|is):", value in "[0-9.,<>=a-zA-Z\"*:-]{0,24}") {
        let text = format!("{key}{value}");
        if let Err(error) = Query::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some());
        }
    }
}

#[test]
fn places_are_counted_and_proofs_have_an_age() {
    const HOUR: u64 = 3_600_000;
    assert_eq!(only("places:<2"), Condition::Places(bound(None, Some(1))));
    assert_eq!(only("places:>=2"), Condition::Places(bound(Some(2), None)));
    assert_eq!(only("places:0"), Condition::Places(bound(Some(0), Some(0))));
    assert_eq!(only("places:1..2"), Condition::Places(bound(Some(1), Some(2))));
    assert_eq!(only("proven:<30d"), Condition::Proven(bound(None, Some(720 * HOUR - 1))));
    assert_eq!(only("proven:2w.."), Condition::Proven(bound(Some(336 * HOUR), None)));
    assert_eq!(only("proven:12h"), Condition::Proven(bound(Some(12 * HOUR), Some(13 * HOUR - 1))));
    assert_eq!(only("proven:>1y"), Condition::Proven(bound(Some(8760 * HOUR + 1), None)));
    assert_eq!(fails("places:few").0, "few");
    assert_eq!(fails("places:<2..").0, "<2");
    assert_eq!(fails("places:<0").1, "the range ends before it begins");
    assert!(fails("proven:30q").1.contains("proven:<30d"));
    assert!(only("places:2").asks_where_it_rests() && only("proven:1d").asks_where_it_rests());
    assert!(!only("place:Paris").asks_where_it_rests());
}
