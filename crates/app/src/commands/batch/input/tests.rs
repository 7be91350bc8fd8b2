//! What is read from files, good and bad.

use std::time::Duration;

use partyline_domain::{Priority, VariableName, VariableValue};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_unix(Duration::from_secs(1_795_000_000))
}

fn csv(text: &[u8]) -> Result<Rows, Unusable> {
    parse(text, Format::Csv, now())
}

fn json(text: &str) -> Rows {
    parse(text.as_bytes(), Format::JsonLines, now()).unwrap_or_else(|why| panic!("{why:?}"))
}

fn good(text: &str) -> Rows {
    let rows = csv(text.as_bytes()).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(rows.problems, [], "{text}");
    rows
}

fn told(rows: &Rows) -> Vec<String> {
    rows.problems.iter().map(Problem::told).collect()
}

fn refused(text: &[u8]) -> (Option<u64>, String, Option<String>) {
    let why = csv(text).expect_err("refused");
    (why.line, why.message, why.hint)
}

fn variable<'a>(row: &'a Row, name: &str) -> Option<&'a VariableValue> {
    let name = VariableName::parse(name).expect("valid");
    row.draft.as_ref().expect("a good row").variables.get(&name)
}

fn text(value: &str) -> VariableValue {
    VariableValue::Text(value.to_owned())
}

fn lines(rows: &Rows) -> Vec<u64> {
    rows.all.iter().map(|row| row.line).collect()
}

#[test]
fn every_column_has_its_place() {
    let rows = good(
        "agent,to,number,priority,expires,user_id,language,first_message,system_prompt,voice_id,table,vip,code:text\n\
         hotel,+12025550123,main,urgent,30m,u-1,en,\"Hi, you\",Be brief,v1,4,true,007\n",
    );
    let draft = rows.all[0].draft.as_ref().expect("good");
    assert_eq!((draft.agent.as_ref(), draft.number.as_deref()), ("hotel", Some("main")));
    assert_eq!((draft.to.e164(), draft.priority), ("+12025550123", Priority::Urgent));
    assert_eq!(draft.expires_at, Some(now().after(Duration::from_secs(1800))));
    assert_eq!(draft.user_id.as_ref().map(partyline_domain::UserId::as_str), Some("u-1"));
    let overrides = &draft.overrides;
    assert_eq!(overrides.language.as_deref(), Some("en"));
    assert_eq!(overrides.first_message.as_deref(), Some("Hi, you"));
    assert_eq!(overrides.prompt.as_deref(), Some("Be brief"));
    assert_eq!(overrides.voice.as_deref(), Some("v1"));
    assert!(matches!(variable(&rows.all[0], "table"), Some(VariableValue::Number(number)) if number.as_str() == "4"));
    assert_eq!(variable(&rows.all[0], "vip"), Some(&VariableValue::Bool(true)));
    assert_eq!(variable(&rows.all[0], "code"), Some(&text("007")));
}

#[test]
fn an_empty_cell_is_not_given() {
    let rows = good("agent,to,name,priority,expires,language\nhotel,+12025550123,,,,\n");
    let draft = rows.all[0].draft.as_ref().expect("good");
    assert!(draft.variables.is_empty() && draft.overrides.is_empty());
    assert_eq!((draft.priority, draft.expires_at), (Priority::Normal, None));
}

#[test]
fn marks_line_ends_blank_lines_and_blanks_in_the_heading_do_no_harm() {
    let rows = good("\u{feff}agent , to ,note\r\n\r\nhotel,+12025550123,\"a\r\nb\"\r\n,,\r\nhotel,+12025550124,c");
    assert_eq!(lines(&rows), [3, 6], "physical lines");
    assert_eq!(variable(&rows.all[0], "note"), Some(&text("a\r\nb")));
    let rows = good("\n\nagent,to\n\nhotel,+12025550123\n\n\nhotel,+12025550124\n");
    assert_eq!(lines(&rows), [5, 8]);
    let rows = good("agent,to\rhotel,+12025550123\rhotel,+12025550124");
    assert_eq!(lines(&rows), [2, 3], "line ends of old machines");
}

#[test]
fn filled_up_lines_are_taken() {
    assert_eq!(lines(&good("agent,to\nhotel,+12025550123,,,\n")), [2]);
}

#[test]
fn every_problem_of_every_row_is_found() {
    let rows = csv(b"agent,to,priority,expires,n:number,b:bool\n\
        ,2025550123,soon,later,four,yes\n\
        hotel,,normal,2020-01-01T00:00:00Z,1,true\n\
        hotel\n\
        hotel,+12025550123,normal,,1,true,surplus\n\
        h\xf6tel,+12025550124,urgent,-5m,,\n\
        hotel,+12025550125,urgent,0s,,\n");
    let rows = rows.unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(
        told(&rows),
        [
            "line 2, to: the phone number has no country code: write it as +<country><number>, for example +12025550123",
            "line 2, priority: expected `normal` or `urgent`",
            "line 2, expires: expected a time with its zone such as `2026-12-24T18:00:00Z`, or a duration such as `30m`",
            "line 2, n:number: the value is not a number (write it as in JSON, for example 3 or -0.5)",
            "line 2, b:bool: a bool is `true` or `false`",
            "line 2, agent: is missing",
            "line 3, expires: is in the past",
            "line 3, to: is missing",
            "line 4: has 1 cell, not 6 as the heading",
            "line 5: has 7 cells, not 6 as the heading",
            "line 6, agent: is not UTF-8",
            "line 6, expires: is in the past",
            "line 7, expires: is in the past",
        ]
    );
    assert_eq!(lines(&rows), [2, 3, 4, 5, 6, 7]);
    assert!(rows.all.iter().all(|row| row.draft.is_none()));
    assert_eq!(rows.all[5].to.map(|to| to.e164().to_owned()).as_deref(), Some("+12025550125"));
}

#[test]
fn a_file_that_is_no_batch_is_refused_with_a_reason() {
    let message = |text: &[u8]| refused(text).1;
    assert_eq!(message(b""), "the file is empty");
    assert_eq!(message(b"to,name\n"), "there is no column `agent`");
    assert_eq!(message(b"agent,to,name,name\n"), "two columns are named `name`");
    assert_eq!(message(b"agent,to,n,n:number\n"), "two columns are for the variable `n`");
    assert_eq!(message(b"agent,to,\n"), "column 3: the column has no name");
    assert_eq!(message(b"\n\xff\xfea"), "column 1: is not UTF-8");
    assert_eq!(message(b"\xff\xfea\0"), "the file is UTF-16");
    let hint = |text: &[u8]| refused(text).2.expect("a hint");
    assert_eq!(hint(b"agent,phone\n"), "is it `phone`? name that column `to`");
    assert_eq!(hint(b"Agent,to\n"), "is it `Agent`? name that column `agent`");
    assert_eq!(hint(b"agent,to,first name\n"), "name it `first_name`");
    assert_eq!(hint(b"agent;to;first name\n"), "export the file with commas");
    assert_eq!(refused(b"\nagent\tto\n").1, "the columns are separated by tabs, not by commas");
    assert_eq!(refused(b"\nagent\tto\n").0, Some(2));
    let (line, message, _) = refused(b"agent,to\nhotel,+12025550123\nhotel,\"+12025550124\nhotel,+12025550125\n");
    assert_eq!((line, message.as_str()), (Some(3), "a cell begins with a quote that is never closed"));
}

#[test]
fn the_mark_at_the_end_may_be_in_the_file() {
    for end in ["", "\n", "\r\n", "\r", "\n\n"] {
        assert_eq!(lines(&good(&format!("agent,to\r\nhotel,+12025550123{end}"))), [2], "{end:?}");
    }
    let rows = csv(b"agent,to\n\x04\nhotel,+12025550123\n").unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(told(&rows), ["line 2: has 1 cell, not 2 as the heading"]);
    assert_eq!(lines(&rows), [2, 3]);
}

#[test]
fn a_probable_slip_is_doubted_once() {
    let rows = good("agent,to,langauge\nhotel,+12025550123,en\n");
    assert_eq!(rows.doubts, ["the column `langauge` is taken as a dynamic variable; did you mean `language`?"]);
    let line = "{\"agent\":\"hotel\",\"to\":\"+12025550123\",\"User-Id\":\"x\"}\n";
    assert_eq!(json(&line.repeat(2)).doubts.len(), 1);
}

#[test]
fn json_lines_keep_their_types() {
    let rows = json(
        "{\"agent\":\"hotel\",\"to\":\"+12025550123\",\"table\":4,\"price\":0.10,\"vip\":false,\"code\":\"007\",\
         \"note\":\"\",\"gone\":null,\"priority\":\"urgent\"}\n\n  {\"agent\":\"hotel\",\"to\":\"+12025550124\"}\r\n",
    );
    assert_eq!((told(&rows), lines(&rows)), (vec![], vec![1, 3]));
    let row = &rows.all[0];
    let number = |name| match variable(row, name) {
        Some(VariableValue::Number(number)) => number.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!((number("table"), number("price")), ("4", "0.10"));
    assert_eq!(variable(row, "vip"), Some(&VariableValue::Bool(false)));
    assert_eq!((variable(row, "code"), variable(row, "note")), (Some(&text("007")), Some(&text(""))));
    assert_eq!(variable(row, "gone"), None);
    assert_eq!(row.draft.as_ref().map(|draft| draft.priority), Some(Priority::Urgent));
}

#[test]
fn bad_json_lines_are_listed() {
    let rows = json(
        "{\"agent\":\"hotel\"\n7\n{\"agent\":1,\"to\":true}\n{\"agent\":\"hotel\",\"phone\":\"+12025550123\"}\n\
         {\"agent\":\"hotel\",\"to\":\"+12025550123\",\"a\":{},\"b\":[],\"a b\":1,\"agent\":\"x\"}\n{}\n",
    );
    assert_eq!(
        told(&rows),
        [
            "line 1: is no JSON object: EOF while parsing an object at character 16",
            "line 2: is no JSON object: invalid type: integer `7`, expected an object at character 1",
            "line 3, agent: is no text: put it in quotes",
            "line 3, to: is no text: put it in quotes",
            "line 4, to: is missing; is it `phone`?",
            "line 5, a: is an object: only text, numbers and booleans can be given",
            "line 5, b: is a list: only text, numbers and booleans can be given",
            "line 5, a b: the variable name \"a b\" holds ' '",
            "line 5, agent: is given twice",
            "line 6, agent: is missing",
            "line 6, to: is missing",
        ]
    );
}

#[test]
fn a_json_list_is_told_apart() {
    for list in ["[]", " \n[{\"agent\":\"hotel\"},\n{}]\n"] {
        let why = parse(list.as_bytes(), Format::JsonLines, now()).expect_err("refused");
        assert_eq!(why.message, "the file is a list, and JSON Lines is one object a line");
        assert_eq!(format_of(Path::new("-"), None, list.as_bytes()), Format::JsonLines);
    }
}

#[test]
fn the_format_is_asked_for_named_or_seen() {
    let of = |path: &str, asked, bytes: &[u8]| format_of(Path::new(path), asked, bytes);
    assert_eq!(of("x.csv", None, b"{"), Format::Csv);
    assert_eq!(of("x.NDJSON", None, b"agent"), Format::JsonLines);
    assert_eq!(of("x.jsonl", Some(FormatArg::Csv), b""), Format::Csv);
    assert_eq!(of("-", None, b"\xef\xbb\xbf\n {\"agent\""), Format::JsonLines);
    assert_eq!(of("-", None, b"agent,to"), Format::Csv);
    assert_eq!(of("calls.txt", Some(FormatArg::Jsonl), b"agent,to"), Format::JsonLines);
}

#[test]
fn equal_words_are_kept_once() {
    let rows = good("agent,to\nhotel,+12025550123\nhotel,+12025550124\n");
    let agent = |index: usize| &rows.all[index].draft.as_ref().expect("good").agent;
    assert!(std::sync::Arc::ptr_eq(agent(0), agent(1)));
}

#[test]
fn there_may_be_too_many_rows() {
    let mut reader = Reader::new(now(), 2);
    let table = b"agent,to\nhotel,+12025550123\nhotel,+12025550124\nhotel,+12025550125\n";
    let why = csv_table::read(table, &mut reader).expect_err("one too many");
    assert_eq!((why.line, why.message.as_str()), (Some(4), "more than 2 rows"));
}
