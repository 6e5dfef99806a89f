// Makes the replica set where there is none yet; healthy means that it takes writes.
const password = encodeURIComponent(require("fs").readFileSync("/run/secrets/mongo_root_password", "utf8").trim())
const admin = connect("mongodb://root:" + password + "@127.0.0.1:27017/admin?directConnection=true")
if (!admin.hello().setName) {
  admin.runCommand({replSetInitiate: {_id: "rs0", members: [{_id: 0, host: "127.0.0.1:27017"}]}})
}
quit(admin.hello().isWritablePrimary ? 0 : 1)
