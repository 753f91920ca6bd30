CREATE INDEX CONCURRENTLY orders_coupon_id ON orders (coupon_id);
