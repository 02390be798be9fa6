//! What a product is called and costs, whether it is sold, and taking it out of the catalogue.

use crate::story::shop::check;

#[test]
fn only_an_active_product_is_sold() {
    check(
        "
        12:00  receive 5
        12:00  status draft
        12:00  reserve #1 1    refused: not sellable, draft
        12:00  purchase @1 1   refused: not sellable, draft
        12:01  status archived
        12:01  reserve #1 1    refused: not sellable, archived
        12:01  purchase @1 1   refused: not sellable, archived
        12:01  receive 1
        12:01  count 5
        12:02  status active
        12:02  reserve #1 1
        12:02  purchase @1 1
        ",
    );
}

#[test]
fn each_change_of_the_description_has_a_version() {
    check(
        "
        12:00  version                  1
        12:00  price 12.00
        12:00  version                  2
        12:00  price 12.00              already so
        12:00  version                  2
        12:00  name Lantern version 1   refused: version is 2, not 1
        12:00  name Lantern version 3   refused: version is 2, not 3
        12:00  name Lantern version 2
        12:00  version                  3
        12:00  receive 5
        12:00  version                  3
        12:00  purchase @1 1            sold at 12.00 EUR
        ",
    );
}

#[test]
fn price_stays_within_its_bounds() {
    check(
        "
        12:00  receive 1
        12:00  receive 1 B
        12:00  price -0.01            refused: out of bounds
        12:00  price 10000000000.01   refused: out of bounds
        12:00  price 10000000000.00
        12:00  purchase @1 1          sold at 10000000000.00 EUR
        12:00  purchase @2 1 B        sold at 10000000000.00 EUR
        12:00  price 0
        ",
    );
}

#[test]
fn texts_have_a_bound_over_the_product_and_its_variants() {
    check(
        "
        12:00  name of 32758 bytes   refused: texts beyond 32768 bytes
        12:00  name of 32757 bytes
        12:00  version               2
        ",
    );
}

#[test]
fn product_in_use_is_not_deleted() {
    check(
        "
        12:00  receive 5
        12:00  receive 5 B
        12:00  reserve #1 1 B
        12:01  delete             refused: in use
        12:02  confirm #1
        12:02  delete             refused: in use
        12:03  fulfil @1
        12:03  delete version 2   refused: version is 1, not 2
        12:03  delete version 1
        12:03  stock              no product
        12:03  receive 1          no product
        ",
    );
}

#[test]
fn product_whose_holds_lapsed_is_deleted() {
    check(
        "
        12:00  receive 5
        12:00  reserve #1 1
        12:15  delete         refused: in use
        12:15  release #1 lapsed
        12:15  delete
        12:15  price 1        no product
        12:15  reserve #2 1   no product
        12:15  release #1     no product
        ",
    );
}
