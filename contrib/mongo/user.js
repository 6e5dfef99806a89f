// Runs once, when the volume is empty: the daemon's account, with rights on its own database only.
db.getSiblingDB("admin").createUser({
  user: "ipecs_mw",
  pwd: require("fs").readFileSync("/run/secrets/mongo_password", "utf8").trim(),
  roles: [{role: "readWrite", db: "ipecs_mw"}, {role: "dbAdmin", db: "ipecs_mw"}]
})
