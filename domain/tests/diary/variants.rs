//! Variants: added, described anew, removed, and replaced together with their product.

use crate::story::shop::check;

#[test]
fn added_variant_gets_the_next_number_and_its_first_units() {
    check(
        "
        12:00  add D 1.50 with 5
        12:00  skus               A, B, C, D
        12:00  stock D            on hand 5, available 5, reserved 0, committed 0
        12:00  ledger D           received +5
        12:00  version            2
        12:00  purchase @1 2 D    sold at 11.50 EUR
        12:01  add E
        12:01  stock E            on hand 0, available 0, reserved 0, committed 0
        12:01  version            3
        ",
    );
}

#[test]
fn removed_variant_goes_with_the_units_that_nobody_holds_and_is_never_bought_again() {
    check(
        "
        12:00  receive 5
        12:00  remove A
        12:00  skus                 B, C
        12:00  stock                on hand 0, available 0, reserved 0, committed 0
        12:00  totals               received 5, fulfilled 0, written off 5
        12:00  ledger               received +5, adjusted -5
        12:00  version              2
        12:01  receive 1            refused: unknown variant A
        12:01  count 1              refused: unknown variant A
        12:01  reserve #1 1         refused: unknown variant A
        12:01  rehold #1 1          refused: unknown variant A
        12:01  purchase @1 1        refused: unknown variant A
        12:01  rename A other       refused: unknown variant A
        12:01  remove A             refused: unknown variant A
        12:02  add A with 3
        12:02  skus                 B, C, A
        12:02  stock A              on hand 0, available 0, reserved 0, committed 0
        12:02  stock D              on hand 3, available 3, reserved 0, committed 0
        ",
    );
}

#[test]
fn variant_in_use_or_the_last_one_stays() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 1
        12:00  remove A      refused: in use
        12:00  remove B
        12:00  confirm #1
        12:00  remove A      refused: in use
        12:00  fulfil @1
        12:01  remove A
        12:01  remove C      refused: invalid state
        12:01  skus          C
        ",
    );
}

#[test]
fn sku_of_a_variant_changes_and_no_two_have_the_same() {
    check(
        "
        12:00  rename A lamp
        12:00  skus            lamp, B, C
        12:00  rename A lamp   already so
        12:00  rename A B      refused: sku B is taken
        12:00  add C           refused: sku C is taken
        12:00  version         2
        12:01  receive 1
        12:01  reprice A 2.00
        12:01  purchase @1 1   sold at 12.00 EUR
        12:01  reprice A 10000000000.01   refused: out of bounds
        12:01  remove B
        12:01  rename A B
        12:01  skus            B, C
        ",
    );
}

#[test]
fn each_command_on_variants_makes_one_version_and_may_insist_on_one() {
    check(
        "
        12:00  replace D with 2, A 1.00, B 9.99 version 2   refused: version is 1, not 2
        12:00  replace D with 2, A 1.00, B 9.99 version 1
        12:00  version            2
        12:00  skus               A, B, D
        12:00  add E version 1    refused: version is 2, not 1
        12:00  rename A F version 1   refused: version is 2, not 1
        12:00  remove A version 1     refused: version is 2, not 1
        12:00  remove A version 2
        12:00  version            3
        ",
    );
}

#[test]
fn variants_are_replaced_all_or_not_at_all() {
    check(
        "
        12:00  receive 5
        12:00  receive 3 B
        12:00  reserve #1 1 B
        12:00  replace A, D with 4          refused: in use
        12:00  simple A                     refused: in use
        12:00  replace A with 1, B, D with 4, C with 0   refused: stock of [0, 3] is fixed
        12:00  replace A, B, A              refused: out of bounds
        12:00  skus                         A, B, C
        12:00  version                      1
        12:00  replace B 2.50, D with 4
        12:00  skus                         B, D
        12:00  stock B                      on hand 3, available 2, reserved 1, committed 0
        12:00  stock D                      on hand 4, available 4, reserved 0, committed 0
        12:00  totals                       received 5, fulfilled 0, written off 5
        12:00  replace B 2.50, D            already so
        12:00  version                      2
        ",
    );
}

#[test]
fn product_without_options_has_a_sku_of_its_own_until_it_gets_a_second_variant() {
    check(
        "
        12:00  receive 5 B
        12:00  simple B
        12:00  skus              own B
        12:00  stock B           on hand 5, available 5, reserved 0, committed 0
        12:00  simple lamp
        12:00  skus              own lamp
        12:00  stock B           on hand 5, available 5, reserved 0, committed 0
        12:00  simple lamp with 1   refused: stock of [] is fixed
        12:01  remove B          refused: invalid state
        12:01  rename B shade
        12:01  skus              own shade
        12:02  add D
        12:02  skus              shade, D
        12:02  remove D
        12:02  skus              shade
        12:03  simple shade
        12:03  skus              own shade
        12:03  replace shade
        12:03  skus              shade
        12:04  add D
        12:04  simple other with 2
        12:04  skus              own other
        12:04  stock F           on hand 2, available 2, reserved 0, committed 0
        ",
    );
}

#[test]
fn product_has_a_hundred_variants_at_most_and_a_thousand_in_all_its_life() {
    let mut story = String::from(
        "
        12:00  add 97
        12:00  add D    refused: more than 100 variants
        12:00  simple A
        ",
    );
    for _ in 0..9 {
        story += "
        12:01  add 99
        12:01  simple A
        ";
    }
    story += "
        12:02  add 9
        12:02  add D    refused: more than 1000 variants
        12:02  add 1    refused: more than 1000 variants
        ";
    check(&story);
}

#[test]
fn texts_of_removed_variants_do_not_count() {
    check(
        "
        12:00  name of 32758 bytes   refused: texts beyond 32768 bytes
        12:00  remove C
        12:00  name of 32758 bytes
        12:00  name of 32760 bytes
        12:00  add D                 refused: texts beyond 32768 bytes
        12:00  rename A AAAAAAAAA    refused: texts beyond 32768 bytes
        ",
    );
}
