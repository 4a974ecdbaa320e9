-- clock: the server's time, once per script
-- INCLUDE read_clock
read_clock()
