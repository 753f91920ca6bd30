DROP INDEX orders_gone_idx, orders_lost_idx;
